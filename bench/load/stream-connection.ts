/** One client connection that makes calls of any shape on the wire layer, over TCP or TLS. */
import { LoadSession, type LoadSessionOwner } from '../../src/bench/session.ts'
import type { DialAddress } from '../../src/transport/transport.ts'
import { type ConnectionLimits, DEFAULT_WINDOW_SIZE } from '../../src/wire/index.ts'
import type { CallLists } from './call-fields.ts'
import type { CallPlan } from './call-plan.ts'
import type { Caller, CallerOwner } from './caller.ts'
import type { ReadingPace } from './reading-pace.ts'
import { StreamCall, type StreamCallOwner } from './stream-call.ts'
import { TIRELESS } from './tireless.ts'
import { WaitingCalls } from './waiting-calls.ts'

/** What calls of one connection are. */
export interface StreamCalls {
  readonly plan: CallPlan
  readonly lists: CallLists
  /** The most calls open at a time, whatever the peer allows. */
  readonly maxOpen: number
  /** The pace of each call's reader; undefined for readers that take everything at once. */
  readonly pace?: ReadingPace
}

/**
 * The same as for h2load with bulk, so that no proxy waits for the client's window. It does not grow, so no PING is
 * sent for that.
 */
const STREAM_WINDOW = 16_777_216
const CONNECTION_WINDOW = 67_108_864

export class StreamConnection implements Caller, StreamCallOwner, LoadSessionOwner {
  readonly #calls: StreamCalls
  readonly #owner: CallerOwner
  readonly #waiting = new WaitingCalls()
  #session!: LoadSession
  #nextList = 0
  #open = 0
  #closed = false

  private constructor(calls: StreamCalls, owner: CallerOwner) {
    this.#calls = calls
    this.#owner = owner
  }

  /** Connects, and waits for the peer's SETTINGS. @throws Error that says why they did not come */
  static async open(target: DialAddress, calls: StreamCalls, owner: CallerOwner): Promise<StreamConnection> {
    const connection = new StreamConnection(calls, owner)
    connection.#session = await LoadSession.open(target, connection, { limits: limitsOf(calls) })
    return connection
  }

  call(intended: number): void {
    if (this.#mayBegin()) this.#begin(intended)
    else this.#waiting.push(intended)
  }

  /** The session sends by itself what a turn of the loop caused. */
  flush(): void {}

  close(): void {
    this.#closed = true
    this.#session.close()
  }

  #mayBegin(): boolean {
    return this.#open < this.#calls.maxOpen && this.#session.free > 0
  }

  #begin(intended: number): void {
    const { plan, lists, pace } = this.#calls
    const list = lists[this.#nextList]!
    this.#nextList = (this.#nextList + 1) % lists.length
    this.#open++
    const call = new StreamCall(this, plan, intended, pace)
    call.begin(this.#session.call(call), list)
  }

  onCallEnd({ intended }: StreamCall, problem: string | undefined): void {
    this.#open--
    if (this.#closed) return
    this.onFree()
    this.#owner.onEnd(this, intended, problem)
  }

  onFree(): void {
    while (this.#waiting.any && this.#mayBegin()) this.#begin(this.#waiting.shift())
  }

  onLost(reason: string): void {
    if (!this.#closed) this.#owner.onLost(reason)
  }
}

function limitsOf({ maxOpen, pace }: StreamCalls): ConnectionLimits {
  const streamWindow = pace === undefined ? STREAM_WINDOW : DEFAULT_WINDOW_SIZE
  return {
    ...TIRELESS,
    maxConcurrentStreams: maxOpen,
    initialStreamWindow: streamWindow,
    maxStreamWindow: streamWindow,
    initialConnectionWindow: CONNECTION_WINDOW,
    maxConnectionWindow: CONNECTION_WINDOW,
  }
}
