/**
 * Measures what a call costs a whole `Connection` without sockets: bytes in, bytes out, and an owner that answers at
 * once.
 *
 * What the peer sends besides calls (the window that we used, the ACK of a PING: once in about 800 small calls) is fed
 * between the runs and not timed; and neither is the renumbering of streams.
 */
import type { Connection } from '../../src/wire/connection.ts'
import type { HeaderField } from '../../src/wire/hpack/header-field.ts'
import type { StreamEnd, WireStream, WireStreamOwner } from '../../src/wire/stream.ts'
import type { Case } from './case.ts'
import { FRESH_BLOCKS, fieldsOf, freshFields, REQUEST, RESPONSE, sessionOf, TRAILERS } from './header-session.ts'
import { Calls, data, flush, flushed, headers, MESSAGE, openConnection, request, upkeep } from './wire-calls.ts'

const CALLS_A_RUN = 200
/** The calls in one read, in one turn of the loop. */
const MANY_CALLS = 100
const LARGE_BYTES = 16_384
const LARGE_FRAMES = 64
const READ_BYTES = 65_536

/** Answers a whole request with head, message and trailers. */
class Answering implements WireStreamOwner {
  readonly #case: ServerCase
  readonly #stream: WireStream
  constructor(its: ServerCase, stream: WireStream) {
    this.#case = its
    this.#stream = stream
  }
  onHeaders(): void {}
  onData(_bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const stream = this.#stream
    stream.release(end - start)
    if (!endStream) return
    stream.sendHeaders(this.#case.head, false)
    stream.sendData(MESSAGE, 0, MESSAGE.length, false)
    stream.sendTrailers(this.#case.trailers)
  }
  onTrailers(): void {}
  onWritable(): void {}
  onClosed(end: StreamEnd): void {
    if (end.kind === 'clean') this.#case.ended++
  }
}

/** A server that gets small calls. */
export class ServerCase implements Case {
  readonly name: string
  readonly unit = 'call'
  readonly perRun = CALLS_A_RUN
  readonly yields = CALLS_A_RUN
  readonly head: readonly HeaderField[] = fieldsOf(RESPONSE)
  readonly trailers: readonly HeaderField[] = fieldsOf(TRAILERS)
  ended = 0
  readonly #connection: Connection = openConnection('server', stream => new Answering(this, stream))
  readonly #upkeep = upkeep(CALLS_A_RUN * MESSAGE.length)
  /** The bytes of the turns: those of one run, or with fresh values those of many runs. */
  readonly #turns: readonly Calls[]
  readonly #turnCalls: number
  #nextTurn = 0
  #nextStream = 1

  constructor(name: string, turnCalls: number, fresh: boolean) {
    this.name = name
    this.#turnCalls = turnCalls
    const blocks = fresh ? freshBlocks() : this.#repeatedBlocks()
    this.#turns = Array.from({ length: blocks.length / turnCalls }, (_, i) => {
      return new Calls(blocks.slice(i * turnCalls, (i + 1) * turnCalls).map(request))
    })
  }

  prepare(): void {
    this.#connection.receive(this.#upkeep)
    for (let i = 0; i < CALLS_A_RUN / this.#turnCalls; i++) {
      this.#turns[(this.#nextTurn + i) % this.#turns.length]!.renumber(this.#nextStream)
      this.#nextStream += 2 * this.#turnCalls
    }
  }

  /** @returns calls that ended */
  run(): number {
    const before = this.ended
    for (let calls = 0; calls < CALLS_A_RUN; calls += this.#turnCalls) {
      this.#connection.receive(this.#turn())
      flush(this.#connection)
    }
    return this.ended - before
  }

  /** The same run, with what the connection sent. */
  output(): Buffer {
    const sent: Buffer[] = []
    for (let calls = 0; calls < CALLS_A_RUN; calls += this.#turnCalls) {
      this.#connection.receive(this.#turn())
      sent.push(flushed(this.#connection))
    }
    return Buffer.concat(sent)
  }

  #turn(): Buffer {
    const turn = this.#turns[this.#nextTurn]!
    this.#nextTurn = this.#nextTurn + 1 === this.#turns.length ? 0 : this.#nextTurn + 1
    return turn.bytes
  }

  /** After the call that fills the tables. */
  #repeatedBlocks(): readonly Buffer[] {
    const { opening, steady } = sessionOf({ name: this.name, lists: [REQUEST] })
    this.#connection.receive(new Calls([request(opening[0]!)]).renumber(this.#nextStream).bytes)
    this.#nextStream += 2
    flush(this.#connection)
    return new Array<Buffer>(CALLS_A_RUN).fill(steady[0]!)
  }
}

/** The blocks of whole runs. The first block empties the table. */
function freshBlocks(): readonly Buffer[] {
  const length = Math.floor(FRESH_BLOCKS / CALLS_A_RUN) * CALLS_A_RUN
  return sessionOf({ name: '', lists: Array.from({ length }, () => [...REQUEST, ...freshFields('literal')]) }).steady
}

/** The owner of one call, which gets the response. */
class Asking implements WireStreamOwner {
  stream: WireStream | undefined
  readonly #case: ClientCase
  constructor(its: ClientCase) {
    this.#case = its
  }
  onHeaders(): void {}
  onData(_bytes: Buffer, start: number, end: number): void {
    this.stream!.release(end - start)
  }
  onTrailers(): void {}
  onWritable(): void {}
  onClosed(end: StreamEnd): void {
    if (end.kind === 'clean') this.#case.ended++
  }
}

/** A client that makes small calls and gets answers. */
export class ClientCase implements Case {
  readonly name: string
  readonly unit = 'call'
  readonly perRun = MANY_CALLS
  readonly yields = MANY_CALLS
  ended = 0
  readonly #connection: Connection = openConnection('client', () => {
    throw new Error('servers open no streams')
  })
  readonly #request: readonly HeaderField[] = fieldsOf(REQUEST)
  readonly #upkeep = upkeep(MANY_CALLS * MESSAGE.length)
  /** The answers of the first run, and of all others. */
  readonly #opening: Calls
  readonly #steady: Calls
  #nextStream = 1

  constructor(name: string) {
    this.name = name
    const head = sessionOf({ name, lists: [RESPONSE] })
    // A literal with a static name and no index, which is the same in every block of the session.
    const trailers = headers(sessionOf({ name, lists: [TRAILERS] }).steady[0]!, true)
    const answer = (block: Buffer) => [headers(block, false), data(MESSAGE, false), trailers]
    const rest = new Array<Buffer>(MANY_CALLS - 1).fill(head.steady[0]!)
    this.#opening = new Calls([head.opening[0]!, ...rest].map(answer))
    this.#steady = new Calls([head.steady[0]!, ...rest].map(answer))
  }

  prepare(): void {
    this.#connection.receive(this.#upkeep)
    this.#answers.renumber(this.#nextStream)
  }

  /** @returns calls that ended */
  run(): number {
    const before = this.ended
    this.#ask()
    flush(this.#connection)
    this.#connection.receive(this.#answers.bytes)
    flush(this.#connection)
    this.#nextStream += 2 * MANY_CALLS
    return this.ended - before
  }

  /** The same run, with what the connection sent. */
  output(): Buffer {
    this.#ask()
    const sent = flushed(this.#connection)
    this.#connection.receive(this.#answers.bytes)
    this.#nextStream += 2 * MANY_CALLS
    return Buffer.concat([sent, flushed(this.#connection)])
  }

  get #answers(): Calls {
    return this.#nextStream === 1 ? this.#opening : this.#steady
  }

  #ask(): void {
    for (let i = 0; i < MANY_CALLS; i++) {
      const owner = new Asking(this)
      const stream = this.#connection.openStream(owner)
      owner.stream = stream
      stream.sendHeaders(this.#request, false)
      stream.sendData(MESSAGE, 0, MESSAGE.length, true)
    }
  }
}

/** A server that gets endless DATA on one stream, and releases it at once. */
export class UploadCase implements Case {
  readonly name: string
  readonly unit = 'frame'
  readonly perRun = LARGE_FRAMES
  readonly bytes = LARGE_FRAMES * LARGE_BYTES
  readonly yields = LARGE_FRAMES * LARGE_BYTES
  readonly #connection: Connection
  readonly #reads: readonly Buffer[]
  readonly #upkeep = upkeep(1)
  #received = 0

  constructor(name: string) {
    this.name = name
    this.#connection = openConnection('server', stream => ({
      onHeaders: () => {},
      onData: (_bytes, start, end) => {
        this.#received += end - start
        stream.release(end - start)
      },
      onTrailers: () => {},
      onWritable: () => {},
      onClosed: () => {},
    }))
    const { opening } = sessionOf({ name, lists: [REQUEST] })
    this.#connection.receive(new Calls([[headers(opening[0]!, false)]]).renumber(1).bytes)
    const frames = new Array<Buffer>(LARGE_FRAMES).fill(data(Buffer.alloc(LARGE_BYTES, 7), false))
    const { bytes } = new Calls([frames]).renumber(1)
    const starts = Array.from({ length: Math.ceil(bytes.length / READ_BYTES) }, (_, i) => i * READ_BYTES)
    this.#reads = starts.map(start => Buffer.from(bytes.subarray(start, start + READ_BYTES)))
  }

  /** It sends the ACK of a PING and almost no window, because nothing is sent that would use it. */
  prepare(): void {
    this.#connection.receive(this.#upkeep)
  }

  /** @returns bytes that the owner was told of */
  run(): number {
    const before = this.#received
    for (const read of this.#reads) {
      this.#connection.receive(read)
      flush(this.#connection)
    }
    return this.#received - before
  }
}

export function cases(): readonly (ServerCase | ClientCase | UploadCase)[] {
  return [
    new ServerCase('server, small calls, one a turn', 1, false),
    new ServerCase(`server, small calls, ${MANY_CALLS} a turn`, MANY_CALLS, false),
    new ServerCase(`server, small calls with fresh timeout and traceparent, ${MANY_CALLS} a turn`, MANY_CALLS, true),
    new ClientCase(`client, small calls, ${MANY_CALLS} a turn`),
    new UploadCase('server, upload in DATA of 16 KiB'),
  ]
}
