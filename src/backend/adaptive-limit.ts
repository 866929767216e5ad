/**
 * How many calls an endpoint should have at a time, by what its answers take. Windows of time are judged one by one, by the
 * time until response headers:
 *
 * ```
 *   no slower than usual, and half of the limit was in use        more, up to twice what was in use
 *   slower than usual (gradient), or than a number (aimd)         fewer
 * ```
 *
 * As in CoDel, what tells a queue from a burst is the least time in a window: where work has queued up, the fastest call
 * waits too. It is taken for each client, and clients have one vote each. So a client whose calls are slow by nature, or
 * that lets them hang, changes the limit no more than one that makes a single call. A call that does not answer says
 * nothing; a response of trailers alone is mostly an error, and may be quick because nothing was done.
 *
 * The gradient is that of Envoy and of Netflix' concurrency-limits: the usual time over the present one. What is usual for a
 * client is learnt only while the endpoint is not pressed, or has the least calls that it may have. Otherwise a load that
 * grows slowly would pass for usual, and the limit would never hold it.
 */
import type { OutcomeListener } from './outcome.ts'

interface Bounds {
  readonly min: number
  readonly max: number
  /** The least time from one change to the next. */
  readonly windowMs: number
}

export interface GradientSettings extends Bounds {
  readonly kind: 'gradient'
  /** So many times the usual latency is still none too much. */
  readonly tolerance: number
}

export interface AimdSettings extends Bounds {
  readonly kind: 'aimd'
  /** A latency above this is too much. */
  readonly latencyMs: number
}

/** With fewer answers a window goes on: a few tell little. */
const MIN_ANSWERS = 10
/** Clients beyond these have no vote at the endpoint, so that connections cost no memory here. */
const MAX_CLIENTS = 64
/** A client that did not call in so many windows in a row is forgotten. */
const FORGET_WINDOWS = 60
/** What is shorter may be the proxy's own doing: a turn of its loop takes about as long. */
const FINEST_MS = 1
/** How fast the usual latency follows the present one: within some ten windows. */
const LEARNING_RATE = 1 / 8
/** One window takes away half at most: it may have been the network. */
const LEAST_FACTOR = 1 / 2
const AIMD_FACTOR = 9 / 10

interface Voter {
  /** The least latency of its calls in this window. */
  leastMs: number
  /** What that usually is. Undefined in its first window. */
  usualMs: number | undefined
  silentWindows: number
}

export class AdaptiveLimit implements OutcomeListener {
  readonly #settings: GradientSettings | AimdSettings
  readonly #inFlight: () => number
  readonly #onMore: () => void
  #limit: number
  readonly #voters = new Map<object, Voter>()
  /** What is usual for the clients of the last window. */
  #usualMs: number | undefined
  /** There was no sign of too many calls yet, so nobody knows how many are. */
  #searching = true
  /** Of this window. */
  #sinceMs: number | undefined
  #answers = 0
  #mostInFlight = 0

  /** @param onMore more calls may come than before */
  constructor(settings: GradientSettings | AimdSettings, inFlight: () => number, onMore: () => void) {
    this.#settings = settings
    this.#inFlight = inFlight
    this.#onMore = onMore
    this.#limit = settings.min
  }

  get maxCalls(): number {
    return Math.floor(this.#limit)
  }

  onHeaders(latencyMs: number, share: object, whole: boolean, nowMs: number): void {
    if (whole) return
    this.#sinceMs ??= nowMs
    this.#mostInFlight = Math.max(this.#mostInFlight, this.#inFlight())
    this.#note(share, Math.max(FINEST_MS, latencyMs))
    if (++this.#answers >= MIN_ANSWERS && nowMs - this.#sinceMs >= this.#settings.windowMs) this.#endWindow(nowMs)
  }

  #note(share: object, latencyMs: number): void {
    const voter = this.#voters.get(share)
    if (voter !== undefined) voter.leastMs = Math.min(voter.leastMs, latencyMs)
    else if (this.#voters.size < MAX_CLIENTS)
      this.#voters.set(share, { leastMs: latencyMs, usualMs: undefined, silentWindows: 0 })
  }

  #endWindow(nowMs: number): void {
    const { min, max } = this.#settings
    const before = this.maxCalls
    const mostUsed = this.#mostInFlight * 2
    const pressed = mostUsed >= before
    const voters = [...this.#voters.values()].filter(({ leastMs }) => leastMs < Number.POSITIVE_INFINITY)
    const factor = voters.length === 0 ? undefined : this.#factor(voters, pressed && before > min)
    if (factor !== undefined && factor < 1) {
      this.#searching = false
      this.#limit = Math.max(min, this.#limit * factor)
    } else if (factor === 1 && pressed) {
      const more = Math.min(this.#limit + this.#step, mostUsed)
      this.#limit = Math.min(max, Math.max(this.#limit, more))
    }
    this.#forget()
    this.#sinceMs = nowMs
    this.#answers = this.#mostInFlight = 0
    if (this.maxCalls > before) this.#onMore()
  }

  /** How many more calls may be tried at once. */
  get #step(): number {
    if (this.#searching) return this.#limit
    return this.#settings.kind === 'aimd' ? 1 : Math.sqrt(this.#limit)
  }

  /**
   * @param voters those that called in this window: one at least
   * @returns what the limit is multiplied by; 1: nothing speaks against more calls
   */
  #factor(voters: readonly Voter[], pressed: boolean): number {
    const settings = this.#settings
    if (settings.kind === 'aimd')
      return lowerMedian(voters.map(({ leastMs }) => leastMs)) > settings.latencyMs ? AIMD_FACTOR : 1
    // Of a client that is new it is thought that its calls are like those of others: it may have come to a full endpoint.
    for (const voter of voters) voter.usualMs ??= this.#usualMs ?? voter.leastMs
    const slowness = lowerMedian(voters.map(({ leastMs, usualMs }) => leastMs / usualMs!))
    for (const voter of voters) learn(voter, pressed)
    this.#usualMs = lowerMedian(voters.map(({ usualMs }) => usualMs!))
    return slowness <= settings.tolerance ? 1 : Math.max(LEAST_FACTOR, settings.tolerance / slowness)
  }

  /** Where there are too many clients for all to have a vote, those that call have one. */
  #forget(): void {
    const patience = this.#voters.size < MAX_CLIENTS ? FORGET_WINDOWS : 1
    for (const [share, voter] of this.#voters) {
      voter.silentWindows = voter.leastMs === Number.POSITIVE_INFINITY ? voter.silentWindows + 1 : 0
      voter.leastMs = Number.POSITIVE_INFINITY
      if (voter.silentWindows >= patience) this.#voters.delete(share)
    }
  }
}

function learn(voter: Voter, pressed: boolean): void {
  const more = voter.leastMs - voter.usualMs!
  if (more <= 0 || !pressed) voter.usualMs! += more * LEARNING_RATE
}

/** Of an even number the lower one of the two in the middle: half of the clients must say that it is slow, and one more. */
function lowerMedian(values: number[]): number {
  return values.sort((one, other) => one - other)[(values.length - 1) >> 1]!
}
