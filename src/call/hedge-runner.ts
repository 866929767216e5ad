/** One attempt of a hedged call: it waits for a session like a call, and tells its hedge what comes. */
import type { Lease, Unavailable, Waiter } from '../backend/backend.ts'
import { SHEDDABLE } from '../backend/call-priority.ts'
import type { ClientShare, Ticket } from '../backend/client-share.ts'
import type { HedgeOutcome, RetryReason } from '../backend/measures.ts'
import type { RetryBudget } from '../backend/retry-budget.ts'
import type { DialAddress, HeaderBlock, Stream, StreamEnd } from '../transport/transport.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import type { CallParts } from './call-state.ts'
import type { Copy } from './copy.ts'
import type { Failure } from './failure.ts'
import { MirroredStream } from './mirrored.ts'

/** The call, and what it is told. */
export interface Hedged extends AttemptOwner, Omit<Waiter, 'onLease'> {
  readonly parts: CallParts
  fail(failure: Failure): void
}

/** How the call ends if no other attempt says more. */
export interface Left {
  readonly by: Runner
  readonly answer?: HeaderBlock
  readonly end?: StreamEnd
}

/** What a runner tells its hedge. */
interface RunnerOwner {
  readonly tried: readonly DialAddress[]
  onLease(runner: Runner, lease: Lease): void
  onUnavailable(runner: Runner, why: Unavailable, detail: string): void
  onResponseHeaders(runner: Runner, block: HeaderBlock, endStream: boolean): void
  onAttemptClosed(runner: Runner, end: StreamEnd): void
}

export class Runner implements Waiter, AttemptOwner {
  ticket: Ticket | undefined
  arriving = false
  readonly share: ClientShare
  readonly hash: number
  readonly priority: number
  /** How many began before it. */
  readonly number: number
  /** `answers`: the call is committed to it. `over`: it has no part in the call any more. */
  state: 'begun' | 'waiting' | 'open' | 'answers' | 'over' = 'begun'
  attempt: Attempt | undefined
  /** What the request goes to: that of the attempt, perhaps with a copy. */
  stream: Stream | undefined
  /** Why there is one more stream. */
  reason: RetryReason | undefined
  /** Among all streams that were opened for the call. */
  place = 0
  openedMs = 0
  /** How often backends did not process it. */
  refusals = 0
  /** No backend may have processed it. */
  unprocessed = true
  /** How it ended was told to the budget. */
  judged = false
  /** What it holds of the backend beside its stream. */
  #holds: 'nothing' | 'retry' | 'hedge' = 'nothing'
  readonly #hedge: RunnerOwner
  readonly #call: Hedged

  constructor(hedge: RunnerOwner, call: Hedged, number: number) {
    this.#hedge = hedge
    this.#call = call
    this.number = number
    this.share = call.share
    this.hash = call.hash
    // One that may not be needed gives way to calls that have none yet.
    this.priority = number === 0 ? call.priority : SHEDDABLE
  }

  get tried(): readonly DialAddress[] {
    return this.#hedge.tried
  }

  /** @returns whether there may be one more */
  mayBegin(budget: RetryBudget): boolean {
    if (!this.share.beginHedge(budget)) return false
    this.#holds = 'hedge'
    return true
  }

  /** @returns whether it may be sent again, as its backend did not process it */
  mayRepeat(): boolean {
    if (this.#holds !== 'nothing') return true
    if (!this.share.beginRetry()) return false
    this.#holds = 'retry'
    return true
  }

  giveBack(outcome: HedgeOutcome): void {
    if (this.#holds === 'hedge') this.share.endHedge(outcome)
    else if (this.#holds === 'retry') this.share.endRetry()
    this.#holds = 'nothing'
  }

  open(lease: Lease, place: number, nowMs: number, copy: Copy | undefined): Attempt {
    this.state = 'open'
    this.unprocessed = false
    this.place = place
    this.openedMs = nowMs
    this.attempt = new Attempt(lease, this.share, this)
    const { stream } = this.attempt
    this.stream = copy === undefined ? stream : new MirroredStream(stream, copy)
    return this.attempt
  }

  onLease(lease: Lease): void {
    this.#hedge.onLease(this, lease)
  }

  onUnavailable(why: Unavailable, detail: string): void {
    this.#hedge.onUnavailable(this, why, detail)
  }

  onResponseHeaders(block: HeaderBlock, endStream: boolean): void {
    this.#hedge.onResponseHeaders(this, block, endStream)
  }

  /** What comes behind its headers: it is the one that answers. */
  onResponseData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#call.onResponseData(bytes, start, end, endStream)
  }

  onResponseTrailers(block: HeaderBlock): void {
    this.#call.onResponseTrailers(block)
  }

  get responseWaitingBytes(): number {
    return this.state === 'answers' ? this.#call.responseWaitingBytes : 0
  }

  onResponseOverdue(): void {
    if (this.state === 'answers') this.#call.onResponseOverdue()
  }

  onRequestWritable(): void {
    this.#call.onRequestWritable()
  }

  onAttemptClosed(end: StreamEnd): void {
    this.#hedge.onAttemptClosed(this, end)
  }
}

/** @param without this one */
export function goOn(runners: readonly Runner[], without?: Runner): boolean {
  return runners.some(runner => runner !== without && runner.state !== 'over')
}

/** How many others a backend may have processed. */
export function processedBeside(runner: Runner, runners: readonly Runner[]): number {
  return runners.filter(other => other !== runner && !other.unprocessed).length
}

/** The one whose backend has taken most of the request; of equal ones the oldest. */
export function furthestOf(runners: readonly Runner[]): Runner | undefined {
  let furthest: Runner | undefined
  for (const runner of runners) {
    if (runner.state !== 'open') continue
    const most = furthest?.stream?.queuedBytes ?? Infinity
    if (runner.stream!.queuedBytes < most) furthest = runner
  }
  return furthest
}
