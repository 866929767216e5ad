/**
 * The downstream side on `node:http`: connections of HTTP/1.1 as sessions of one stream at a time. What browsers speak
 * where there is no TLS.
 *
 * Node parses strictly. Its own timeouts need a server that listens, which this one does not: so the time for a head is
 * watched here.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../clock.ts'
import { peerOf } from '../peer.ts'
import type { Peer, ServerSession, ServerSessionOwner, StreamEnd } from '../transport.ts'
import { blockOf, type Http1Connection, Http1Stream } from './http1-stream.ts'
import { nodeHttp } from './node-http.ts'

export interface Http1Limits {
  readonly maxHeaderListBytes: number
  readonly maxHeaderFields: number
  /** The head of a request has to be whole by then. */
  readonly prefaceTimeoutMs: number
  /** A client that takes nothing of what waits for it for this time loses its connection. */
  readonly stallTimeoutMs: number
}

/** Makes sessions of sockets whose first bytes were already seen (they were put back). */
export interface Http1Transport {
  accept(socket: Socket, owner: ServerSessionOwner): ServerSession
}

/** A request that HTTP/1.1 does not allow, or that is above a limit. */
export type OnMalformed = (peer: string, detail: string) => void

/** How long a client may take for the rest of a request that was answered, or for the last bytes of a connection. */
const LINGER_MS = 1_000
/** Requests that a client sends before it has the answer to the one before. Browsers send none. */
const MAX_PIPELINED = 16
/** Connections are looked at this often within the shorter of their two timeouts. */
const LOOKS_PER_TIMEOUT = 4

/** What sessions share. */
interface Http1Context {
  readonly limits: Http1Limits
  readonly clock: Clock
  readonly onMalformed: OnMalformed
}

class Http1Session implements ServerSession, Http1Connection {
  readonly http1 = true
  readonly peer: Peer
  kept: unknown
  heldBytes = 0
  streams = 0
  opened = 0
  readonly #socket: Socket
  readonly #owner: ServerSessionOwner
  readonly #context: Http1Context
  #stream: Http1Stream | undefined
  readonly #pipelined: [IncomingMessage, ServerResponse][] = []
  #draining = false
  #closedFor: string | undefined
  #error: Error | undefined
  #corked = false
  #lingers: Timer | undefined
  /** When a head began, and how much had come before it. */
  #headSinceMs: number | undefined
  #bytesBefore = 0
  /** How much the client had taken when it last took something while more waited for it, and when that was seen. */
  #takenBytes = 0
  #takenAtMs: number | undefined

  constructor(socket: Socket, owner: ServerSessionOwner, context: Http1Context, onGone: () => void) {
    this.#socket = socket
    this.#owner = owner
    this.#context = context
    this.peer = peerOf(socket)
    this.#headSinceMs = context.clock.now()
    socket.on('error', error => {
      this.#error = error
    })
    socket.once('close', () => {
      this.#lingers?.cancel()
      this.#stream?.onConnectionLost()
      onGone()
      // Its stream hears it first, in the next turn.
      setImmediate(() => owner.onSessionClosed(this, this.#reason))
    })
  }

  get received(): number {
    return this.#socket.bytesRead
  }

  /** HTTP/1.1 has no way to ask; TCP keepalive notices clients that have gone. */
  ping(): void {}

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.#closedFor !== undefined) return
    if (this.#stream !== undefined) {
      this.#pipelined.push([request, response])
      if (this.#pipelined.length > MAX_PIPELINED) this.destroy('too many requests at once')
      return
    }
    this.#headSinceMs = undefined
    const block = blockOf(request, this.peer.encrypted)
    if (request.httpVersion !== '1.1') return this.#refuse(response, 505)
    if (request.rawHeaders.length > 2 * this.#context.limits.maxHeaderFields) return this.#refuse(response, 431)
    // RFC 9112 §6.1. Node takes it for a body that it cannot read, and only then.
    if ((request.headers['transfer-encoding'] ?? 'chunked').toLowerCase() !== 'chunked')
      return this.#refuse(response, 501)
    if (block === undefined) return this.#refuse(response, 400)
    // The connection ends with this response, so the client sends no more on it.
    if (this.#draining) response.shouldKeepAlive = false
    this.streams = 1
    this.opened++
    const stream = new Http1Stream(this, request, response)
    this.#stream = stream
    stream.start(this.#owner.onStream(stream, this), block)
  }

  #refuse(response: ServerResponse, status: number): void {
    this.#context.onMalformed(this.peer.address, `HTTP ${status}`)
    response.writeHead(status, { 'content-length': 0, connection: 'close' })
    response.end()
  }

  linger(): void {
    this.#lingers ??= this.#context.clock.after(LINGER_MS, () => this.#socket.destroy())
  }

  streamOver(): void {
    this.#stream = undefined
    this.streams = 0
    this.#bytesBefore = this.#socket.bytesRead
    if (this.#socket.destroyed || this.#closedFor !== undefined) return
    if (this.#draining) return this.#endSoon()
    this.#lingers?.cancel()
    this.#lingers = undefined
    const next = this.#pipelined.shift()
    if (next !== undefined) this.onRequest(...next)
  }

  corkTurn(): void {
    if (this.#corked) return
    this.#corked = true
    this.#socket.cork()
    setImmediate(() => {
      this.#corked = false
      this.#socket.uncork()
    })
  }

  get #reason(): string {
    return this.#error?.message ?? this.#closedFor ?? 'the client closed the connection'
  }

  get lost(): StreamEnd {
    const by = this.#closedFor === undefined ? 'peer' : 'self'
    return { kind: 'lost', by, unprocessed: false, reason: this.#reason }
  }

  cut(): void {
    this.#endSoon()
  }

  drain(): void {
    if (this.#draining) return
    this.#draining = true
    if (this.#stream === undefined) this.#endSoon()
  }

  destroy(reason = 'closed by the proxy'): void {
    if (!this.#socket.destroyed) this.#closedFor ??= reason
    this.#endSoon()
  }

  /** What was written goes out, if the client takes it. */
  #endSoon(): void {
    this.#socket.end()
    this.linger()
  }

  /** Looks whether it has waited for too long. @returns whether the head of a request takes too long */
  isLate(nowMs: number): boolean {
    if (this.#closedFor !== undefined) return false
    if (this.#stream !== undefined) {
      this.#lookForStall(nowMs)
      return false
    }
    if (this.#headSinceMs === undefined) {
      if (this.#socket.bytesRead > this.#bytesBefore) this.#headSinceMs = nowMs
      return false
    }
    return nowMs - this.#headSinceMs >= this.#context.limits.prefaceTimeoutMs
  }

  #lookForStall(nowMs: number): void {
    const { writableLength, bytesWritten } = this.#socket
    const taken = bytesWritten - writableLength
    if (writableLength === 0 || taken !== this.#takenBytes || this.#takenAtMs === undefined) {
      this.#takenBytes = taken
      this.#takenAtMs = nowMs
    } else if (nowMs - this.#takenAtMs >= this.#context.limits.stallTimeoutMs) {
      this.#closedFor = 'the client takes nothing of what waits for it'
      this.#socket.destroy()
    }
  }
}

const ANSWERS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
}

/** Before its connection is closed. */
function answerMalformed(socket: Socket, status: string): void {
  if (socket.writable) socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
}

export function http1Transport(limits: Http1Limits, clock: Clock, onMalformed: OnMalformed): Http1Transport {
  const context = { limits, clock, onMalformed }
  const lookMs = Math.min(limits.prefaceTimeoutMs, limits.stallTimeoutMs) / LOOKS_PER_TIMEOUT
  const sessions = new Map<Socket, Http1Session>()
  let timer: Timer | undefined
  const watch = () => {
    if (sessions.size === 0 || timer !== undefined) return
    timer = clock.after(lookMs, () => {
      timer = undefined
      for (const [socket, session] of sessions) if (session.isLate(clock.now())) refuse(socket, session, LATE)
      watch()
    })
  }
  const refuse = (socket: Socket, session: Http1Session, { status, detail }: Malformed) => {
    onMalformed(session.peer.address, detail)
    // Not into the middle of a response.
    if (session.streams === 0) answerMalformed(socket, status)
    session.destroy(detail)
  }
  const server = serverFor(limits)
  server.on('request', (request, response) => sessions.get(request.socket)?.onRequest(request, response))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const session = sessions.get(socket as Socket)
    const code = error.code ?? ''
    // Whatever else it is, the end of the connection tells it.
    if (session !== undefined && code.startsWith('HPE_')) {
      const status = ANSWERS[code] ?? '400 Bad Request'
      refuse(socket as Socket, session, { status, detail: code })
    } else socket.destroy()
  })
  return {
    accept(socket, owner) {
      const session = new Http1Session(socket, owner, context, () => sessions.delete(socket))
      sessions.set(socket, session)
      watch()
      server.emit('connection', socket)
      return session
    },
  }
}

interface Malformed {
  readonly status: string
  readonly detail: string
}

const LATE: Malformed = { status: '408 Request Timeout', detail: 'the head of a request did not come in time' }

function serverFor({ maxHeaderListBytes }: Http1Limits): Server {
  const server = nodeHttp().createServer({
    // Whatever flags the process was started with: what two parsers read differently is how requests are smuggled.
    insecureHTTPParser: false,
    requireHostHeader: true,
    maxHeaderSize: maxHeaderListBytes,
    keepAliveTimeout: 0,
    headersTimeout: 0,
    requestTimeout: 0,
  })
  // Node would drop fields above a number; here the request is refused (`maxHeaderFields`).
  server.maxHeadersCount = 0
  server.timeout = 0
  return server
}
