/**
 * The load of the fault runs: an open loop of small calls over some connections. Each call has a name of its own, which is
 * its method, so that proxies and endpoints tell of it by that name. What became of each is kept.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { exponentialGapMs, seededRandom } from '../../../src/bench/random.ts'
import { Timetable, type TimetableOwner } from '../../../src/bench/timetable.ts'
import { Peer, type PeerOwner } from '../../soak/faults/peer.ts'
import type { PeerStream, StreamOwner } from '../../soak/faults/peer-stream.ts'
import { Code } from '../../support/frames.ts'
import type { DecodedField, Field } from '../../support/hpack.ts'

export interface LoadOptions {
  readonly port: number
  readonly callsASecond: number
  readonly seconds: number
  readonly connections: number
  /** Each call's `grpc-timeout`. */
  readonly deadlineMs: number
  readonly seed: number
  /** Names of calls begin with it. */
  readonly prefix: string
}

/** What became of a call. */
export interface Ended {
  readonly name: string
  /** By `Date.now()`. */
  readonly begunMs: number
  endedMs: number
  /** From when it should have begun. */
  latencyMs: number
  /** 0: it was answered, and the answer is what was asked. */
  status: number
  /** What was wrong. */
  problem: string
}

/** So long after its deadline a client has given a call up. The proxy keeps deadlines too, and comes first mostly. */
const GRACE_MS = 50
const WINDOW = 1_048_576
const OK = 0
/** What gRPC clients make of it: CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, UNAVAILABLE. */
const STATUS = { cancelled: 1, unknown: 2, late: 4, unavailable: 14 } as const

function fieldsOf(name: string, deadlineMs: number): Field[] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', 'localhost'],
    [':path', `/fleet.Calls/${name}`, 'literal'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ['grpc-timeout', `${deadlineMs}m`],
  ]
}

/** A gRPC message that no other call has. */
function messageOf(name: string): Buffer {
  const out = Buffer.alloc(5 + name.length)
  out.writeUInt32BE(name.length, 1)
  out.write(name, 5, 'latin1')
  return out
}

class Call implements StreamOwner {
  readonly ended: Ended
  readonly #message: Buffer
  readonly #onEnd: (call: Call) => void
  readonly stream: PeerStream
  #received: Buffer = Buffer.alloc(0)
  #status: string | undefined
  #problem = ''
  #over = false

  constructor(peer: Peer, name: string, deadlineMs: number, onEnd: (call: Call) => void) {
    this.ended = { name, begunMs: Date.now(), endedMs: 0, latencyMs: 0, status: STATUS.unknown, problem: '' }
    this.#message = messageOf(name)
    this.#onEnd = onEnd
    this.stream = peer.request(this, fieldsOf(name, deadlineMs), false)
    this.stream.write([this.#message])
    this.stream.end()
  }

  onHeaders(fields: readonly DecodedField[], endStream: boolean): void {
    if (!endStream) return
    const value = (name: string) => fields.find(field => field.name === name)?.value
    this.#status = value('grpc-status') ?? String(httpStatus(value(':status')))
    this.#problem = value('grpc-message') ?? (value('grpc-status') === undefined ? `HTTP ${value(':status')}` : '')
  }

  onData(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
  }

  onReset(code: number): void {
    // The backend's RST_STREAM(NO_ERROR) may follow a whole answer.
    if (this.#status !== undefined) return
    this.#status = String(code === Code.REFUSED_STREAM ? STATUS.unavailable : STATUS.cancelled)
    this.#problem = `RST_STREAM ${code}`
  }

  onLost(): void {
    this.#status ??= String(STATUS.unavailable)
    this.#problem ||= 'the connection ended'
    this.#finish()
  }

  /** By a reset, which is told after. */
  onGone(): void {
    queueMicrotask(() => this.#finish())
  }

  /** As each gRPC client does at the deadline, whatever the proxy does. */
  giveUp(): void {
    this.#status = String(STATUS.late)
    this.#problem = 'the client gave up at the deadline'
    this.stream.reset(Code.CANCEL)
    this.#finish()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    const status = Number(this.#status ?? STATUS.unknown)
    const wrong = status === OK && !this.#received.equals(this.#message)
    this.ended.endedMs = Date.now()
    this.ended.status = wrong ? STATUS.unknown : status
    this.ended.problem = wrong ? 'other bytes than were sent' : this.#problem
    this.#onEnd(this)
  }
}

/** A response without a grpc-status, as gRPC's clients read it. */
function httpStatus(status: string | undefined): number {
  return status !== undefined && ['429', '502', '503', '504'].includes(status) ? STATUS.unavailable : STATUS.unknown
}

export class Load implements TimetableOwner, PeerOwner {
  readonly ended: Ended[] = []
  /** Rules of HTTP/2 that the proxy broke, and connections that it ended. */
  readonly complaints: string[] = []
  readonly #options: LoadOptions
  readonly #times: Timetable
  readonly #open = new Set<Call>()
  readonly #peers: Peer[] = []
  readonly #over = Promise.withResolvers<void>()
  #begun = 0
  #closing = false

  constructor(options: LoadOptions) {
    this.#options = options
    const random = seededRandom(options.seed)
    let atMs = 0
    const next = (): number => (atMs += exponentialGapMs(random, options.callsASecond))
    this.#times = new Timetable(options.seconds * 1_000, next, this)
  }

  async connect(): Promise<void> {
    for (let i = 0; i < this.#options.connections; i++) {
      const socket = connect({ port: this.#options.port, host: '127.0.0.1' })
      await once(socket, 'connect')
      const peer = new Peer(socket, 'client', {}, this)
      peer.raiseWindow(WINDOW)
      await peer.ready
      this.#peers.push(peer)
    }
  }

  /** Resolves when the last call has ended. */
  async run(): Promise<void> {
    this.#times.start(performance.now())
    await this.#over.promise
    while (this.#open.size > 0) {
      this.onLooked()
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    this.#closing = true
    for (const { socket } of this.#peers) socket.destroy()
  }

  onDue(atMs: number): void {
    const peer = this.#peers[this.#begun % this.#peers.length]!
    const name = `${this.#options.prefix}${this.#begun++}`
    const call = new Call(peer, name, this.#options.deadlineMs, call => {
      this.#open.delete(call)
      call.ended.latencyMs = this.#times.elapsedMs - atMs
      this.ended.push(call.ended)
    })
    this.#open.add(call)
  }

  onLooked(): void {
    const latest = Date.now() - this.#options.deadlineMs - GRACE_MS
    // They are in the order in which they began.
    for (const call of this.#open) {
      if (call.ended.begunMs > latest) return
      call.giveUp()
    }
  }

  onOver(): void {
    this.#over.resolve()
  }

  // What a connection tells

  onStream(): undefined {
    return undefined
  }

  onGoaway(_lastStreamId: number, code: number): void {
    this.complaints.push(`GOAWAY ${code}`)
  }

  onClosed(): void {
    if (!this.#closing) this.complaints.push('the proxy ended a connection')
  }

  complain(text: string): void {
    this.complaints.push(text)
  }
}
