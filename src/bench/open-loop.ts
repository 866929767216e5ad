/**
 * The open loop: calls begin at times drawn beforehand, whatever became of the calls before, and latency counts from
 * these times. So a service that stalls is charged for all the calls that should have begun meanwhile (no coordinated
 * omission), and without a connection they fail at their times. At most `OPEN_CALLS_MAX` calls are open: with more the
 * service does not carry the rate, and it stops.
 */
import { OPEN_BYTES_MAX, OPEN_CALLS_MAX } from './bounds.ts'
import type { Call } from './call.ts'
import type { SliceTimes } from './closed-loop.ts'
import { exponentialGapMs } from './random.ts'
import { Slice } from './slice.ts'
import { Timetable, type TimetableOwner } from './timetable.ts'
import type { Way } from './way.ts'

export interface OpenLoopOptions extends SliceTimes {
  /** Calls a second. */
  readonly rate: number
  /** Uniform in [0, 1): the same draws give the same times. */
  readonly random: () => number
  /** The bytes of a request. */
  readonly messageBytes: number
}

/** Resolves when its calls have ended, or at once when `signal` says so. */
export function openLoop(way: Way, options: OpenLoopOptions, signal: AbortSignal): Promise<Slice> {
  return new Promise(resolve => new OpenLoop(way, options, signal, resolve).start())
}

class OpenLoop implements TimetableOwner {
  readonly #slice = new Slice()
  readonly #way: Way
  readonly #options: OpenLoopOptions
  readonly #signal: AbortSignal
  readonly #resolve: (slice: Slice) => void
  readonly #times: Timetable
  readonly #startMs: number
  readonly #fromMs: number
  readonly #toMs: number
  readonly #most: number
  #open = 0
  #over = false

  constructor(way: Way, options: OpenLoopOptions, signal: AbortSignal, resolve: (slice: Slice) => void) {
    const { rate, random, leadInMs, durationMs, messageBytes } = options
    this.#way = way
    this.#options = options
    this.#signal = signal
    this.#resolve = resolve
    let atMs = 0
    const next = (): number => {
      atMs += exponentialGapMs(random, rate)
      return atMs
    }
    this.#times = new Timetable(leadInMs + durationMs, next, this)
    this.#startMs = performance.now()
    this.#fromMs = this.#startMs + leadInMs
    this.#toMs = this.#fromMs + durationMs
    this.#most = Math.max(1, Math.min(OPEN_CALLS_MAX, Math.floor(OPEN_BYTES_MAX / messageBytes)))
  }

  start(): void {
    if (this.#signal.aborted) return this.#finish(false)
    this.#signal.addEventListener('abort', this.#stop)
    this.#way.kept = true
    this.#times.start(this.#startMs)
  }

  readonly #stop = (): void => this.#finish(false)

  onDue(atMs: number): void {
    if (this.#way.openCalls >= this.#most) return this.#giveUp()
    const intendedMs = this.#startMs + atMs
    this.#open++
    this.#slice.begin(this.#counts(intendedMs))
    this.#way.begin(intendedMs, this.#onEnd)
  }

  /** The slice lasts until the end of its time. If the next one began sooner, the rate would be higher. */
  onOver(): void {
    if (this.#open === 0) this.#finish(true)
  }

  #giveUp(): void {
    const { rate } = this.#options
    const after = (this.#times.elapsedMs / 1_000).toFixed(1)
    const { name, target } = this.#way.plan
    this.#slice.overload =
      `${target.name} (--${name}) does not carry ${rate.toLocaleString('en')} calls a second: ` +
      `${this.#most.toLocaleString('en')} calls were open after ${after} s. Give a lower --rate`
    this.#finish(false)
  }

  readonly #onEnd = (call: Call): void => {
    if (this.#over) return
    this.#open--
    if (this.#counts(call.intendedMs)) this.#slice.end(call)
    if (this.#times.over) this.onOver()
  }

  #counts(intendedMs: number): boolean {
    return intendedMs >= this.#fromMs
  }

  #finish(complete: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#way.kept = false
    this.#times.stop()
    this.#signal.removeEventListener('abort', this.#stop)
    // Counted by the times at which calls should begin. How long the last one took is in its latency.
    const seconds = (Math.min(performance.now(), this.#toMs) - this.#fromMs) / 1_000
    this.#slice.wallSeconds = this.#times.elapsedMs / 1_000
    this.#slice.seconds = complete ? this.#options.durationMs / 1_000 : Math.max(0, seconds)
    this.#slice.complete = complete
    this.#resolve(this.#slice)
  }
}
