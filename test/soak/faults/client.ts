/** Connections of clients, of two makes: the raw peer of this soak, and Node's own http2. */
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { arrival } from '../../support/arrival.ts'
import { Code, type Settings } from '../../support/frames.ts'
import type { DecodedField, Field } from '../../support/hpack.ts'
import type { Carrier } from './client-call.ts'
import type { Ledger } from './ledger.ts'
import { Peer, type PeerOwner } from './peer.ts'
import type { StreamOwner } from './peer-stream.ts'

export interface Connection {
  readonly socket: Socket
  /** False once it, or the proxy, has ended it. */
  readonly open: boolean
  request(owner: StreamOwner, fields: readonly Field[]): Carrier
  /** All is said; the connection ends. */
  goodbye(): void
}

export class RawConnection implements Connection, PeerOwner {
  readonly peer: Peer
  readonly #ledger: Ledger
  readonly #name: string
  /** Either side said it. */
  #goaway = false

  private constructor(name: string, socket: Socket, settings: Settings, ledger: Ledger) {
    this.#name = name
    this.#ledger = ledger
    this.peer = new Peer(socket, 'client', settings, this)
  }

  static async open(name: string, port: number, settings: Settings, ledger: Ledger): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const connection = new RawConnection(name, socket, settings, ledger)
    await connection.peer.ready
    return connection
  }

  get socket(): Socket {
    return this.peer.socket
  }

  get open(): boolean {
    return this.peer.open && !this.#goaway
  }

  request(owner: StreamOwner, fields: readonly Field[]): Carrier {
    return this.peer.request(owner, fields, false)
  }

  goodbye(): void {
    this.#goaway = true
    this.peer.goaway(0, Code.NO_ERROR)
    this.socket.end()
  }

  onStream(): undefined {
    this.complain('the proxy opened a stream')
  }

  onGoaway(): void {
    if (!this.#goaway) this.complain('GOAWAY to a client that did nothing')
    this.#goaway = true
  }

  onClosed(): void {}

  complain(text: string): void {
    this.#ledger.complain(`on ${this.#name}: ${text}`)
  }
}

export class NodeConnection implements Connection {
  readonly socket: Socket
  readonly #session: ClientHttp2Session

  private constructor(socket: Socket, session: ClientHttp2Session) {
    this.socket = socket
    this.#session = session
    session.on('error', () => {})
  }

  static async open(port: number): Promise<NodeConnection> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const session = connectHttp2('http://soak.test', {
      createConnection: () => socket,
      maxHeaderListPairs: 1_000,
      maxSessionMemory: 100,
    })
    const connection = new NodeConnection(socket, session)
    await arrival(session, 'remoteSettings')
    return connection
  }

  get open(): boolean {
    return !this.#session.destroyed && !this.#session.closed
  }

  request(owner: StreamOwner, fields: readonly Field[]): Carrier {
    const flat = fields.flatMap(field => [field[0], field[1]])
    const stream = this.#session.request(flat, { endStream: false })
    return new NodeCarrier(stream, owner, this.#session)
  }

  goodbye(): void {
    this.#session.close()
  }
}

type RawListener = (headers: unknown, flags: number, raw: readonly string[]) => void

class NodeCarrier implements Carrier {
  manual = false
  localEnded = false
  readonly #stream: ClientHttp2Stream
  #trailers: readonly string[] | undefined
  #abandoned = false
  #ended = false

  constructor(stream: ClientHttp2Stream, owner: StreamOwner, session: ClientHttp2Session) {
    this.#stream = stream
    const onResponse: RawListener = (_, flags, raw) => {
      this.#ended = (flags & 1) !== 0
      owner.onHeaders(fieldsOf(raw), this.#ended)
    }
    const onTrailers: RawListener = (_, __, raw) => {
      this.#trailers = raw
    }
    stream.on('response', onResponse as never)
    stream.on('trailers', onTrailers as never)
    stream.on('error', () => {})
    stream.on('data', (bytes: Buffer) => {
      owner.onData(bytes, false)
      if (this.manual) stream.pause()
    })
    // Trailers overtake data in Node's stream, and a RST_STREAM(NO_ERROR) makes an 'end' too.
    stream.on('end', () => {
      // Node before 26 leaves a stream open whose RST_STREAM(NO_ERROR) came before this, while its request waits for window.
      if (stream.closed) setImmediate(() => stream.destroy())
      if (this.#trailers !== undefined) owner.onHeaders(fieldsOf(this.#trailers), true)
      else if (!this.#ended && !stream.closed) owner.onData(Buffer.alloc(0), true)
      this.#ended ||= this.#trailers !== undefined || !stream.closed
    })
    stream.on('close', () => {
      this.localEnded = true
      if (this.#abandoned) return owner.onGone()
      if (session.destroyed && stream.rstCode !== 0) return owner.onLost()
      if (!this.#ended || stream.rstCode !== 0) owner.onReset(stream.rstCode ?? Code.NO_ERROR)
      owner.onGone()
    })
  }

  write(pieces: readonly Buffer[]): void {
    if (this.#stream.writable) for (const piece of pieces) this.#stream.write(piece)
  }

  end(): void {
    this.#stream.end(() => {
      this.localEnded = true
    })
  }

  reset(code: number): void {
    this.#abandoned = true
    this.#stream.resume()
    this.#stream.close(code)
  }

  release(): void {
    this.#stream.resume()
  }
}

function fieldsOf(raw: readonly string[]): DecodedField[] {
  const fields: DecodedField[] = []
  for (let i = 0; i < raw.length; i += 2) {
    fields.push({ name: raw[i]!, value: raw[i + 1]!, neverIndexed: false, representation: 'literal' })
  }
  return fields
}
