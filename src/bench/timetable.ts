/**
 * The clock of an open loop: says when a call is due, by times known beforehand, whatever became of the calls before.
 */
import { availableParallelism } from 'node:os'

export interface TimetableOwner {
  /** A call is due. @param atMs from the start */
  onDue(atMs: number): void
  /** It comes after each look at the clock. */
  onLooked?(): void
  /** Its time is over. It comes once. */
  onOver?(): void
}

/** Timers have steps of 1 ms: the last part of a wait is spent turning the loop. */
const TURNING_MS = 2
/**
 * The nap between two turns where the service shares few cores with us, so that it can run. The kernel adds 0.05 ms.
 */
const NAP_MS = 0.05
const FEW_CORES = 2
const never = new Int32Array(new SharedArrayBuffer(4))

export class Timetable {
  /** Of `performance.now()`; all other times are from it. */
  startMs = 0
  readonly #endMs: number
  readonly #next: () => number
  readonly #owner: TimetableOwner
  readonly #naps = availableParallelism() <= FEW_CORES
  #atMs: number
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /** @param next the next time each time it is asked, ascending; those from `endMs` on are not due */
  constructor(endMs: number, next: () => number, owner: TimetableOwner) {
    this.#endMs = endMs
    this.#next = next
    this.#owner = owner
    this.#atMs = next()
  }

  start(startMs: number): void {
    this.startMs = startMs
    this.#turn()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  get elapsedMs(): number {
    return performance.now() - this.startMs
  }

  /** Whether no call is due any more and its time has ended. */
  get over(): boolean {
    return this.#atMs >= this.#endMs && this.elapsedMs >= this.#endMs
  }

  readonly #turn = (): void => {
    if (this.#stopped) return
    // One look at the clock for all calls that are due: if calls cost more than the time between them, the loop must
    // still turn.
    for (const nowMs = this.elapsedMs; this.#atMs <= nowMs && this.#atMs < this.#endMs; ) {
      const atMs = this.#atMs
      this.#atMs = this.#next()
      this.#owner.onDue(atMs)
      if (this.#stopped) return
    }
    this.#owner.onLooked?.()
    if (this.over) return this.#owner.onOver?.()
    const waitMs = Math.min(this.#atMs, this.#endMs) - this.elapsedMs
    if (waitMs > TURNING_MS) this.#timer = setTimeout(this.#turn, waitMs - TURNING_MS)
    else setImmediate(this.#naps ? this.#napAndTurn : this.#turn)
  }

  /** The flush of the calls that just began comes first, because it was asked for earlier. */
  readonly #napAndTurn = (): void => {
    Atomics.wait(never, 0, 0, NAP_MS)
    this.#turn()
  }
}
