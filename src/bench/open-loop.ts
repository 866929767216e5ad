/**
 * Open loop: calls begin at times drawn beforehand, whatever became of those before, and latency counts from these
 * times. A service that stalls is so charged for all the calls that should have begun meanwhile (no coordinated
 * omission), and without a connection they fail at their times. At most `OPEN_CALLS_MAX` calls are open: with more the
 * service does not carry the rate, and it stops.
 */
import { availableParallelism } from 'node:os'
import { OPEN_BYTES_MAX, OPEN_CALLS_MAX } from './bounds.ts'
import type { Call } from './call.ts'
import type { SliceTimes } from './closed-loop.ts'
import { exponentialGapMs } from './random.ts'
import { Slice } from './slice.ts'
import type { Way } from './way.ts'

export interface OpenLoopOptions extends SliceTimes {
  /** Calls a second. */
  readonly rate: number
  /** Uniform in [0, 1): the same draws give the same times. */
  readonly random: () => number
  /** Of a request. */
  readonly messageBytes: number
}

/** Timers have steps of 1 ms: the last part of a wait is spent turning the loop. */
const TURNING_MS = 2
/** Between two turns where the service shares few cores with us, not to starve it. */
const NAP_MS = 0.05
const FEW_CORES = 2
const never = new Int32Array(new SharedArrayBuffer(4))

/** Resolves when its calls have ended, or at once when `signal` says so. */
export function openLoop(way: Way, options: OpenLoopOptions, signal: AbortSignal): Promise<Slice> {
  return new Promise(resolve => new OpenLoop(way, options, signal, resolve).start())
}

class OpenLoop {
  readonly #slice = new Slice()
  readonly #way: Way
  readonly #options: OpenLoopOptions
  readonly #signal: AbortSignal
  readonly #resolve: (slice: Slice) => void
  readonly #startMs = performance.now()
  readonly #fromMs: number
  readonly #toMs: number
  readonly #most: number
  readonly #naps = availableParallelism() <= FEW_CORES
  #nextMs: number
  #timer: NodeJS.Timeout | undefined
  #open = 0
  #over = false

  constructor(way: Way, options: OpenLoopOptions, signal: AbortSignal, resolve: (slice: Slice) => void) {
    this.#way = way
    this.#options = options
    this.#signal = signal
    this.#resolve = resolve
    this.#fromMs = this.#startMs + options.leadInMs
    this.#toMs = this.#fromMs + options.durationMs
    this.#most = Math.max(1, Math.min(OPEN_CALLS_MAX, Math.floor(OPEN_BYTES_MAX / options.messageBytes)))
    this.#nextMs = this.#startMs + exponentialGapMs(options.random, options.rate)
  }

  start(): void {
    if (this.#signal.aborted) return this.#finish(false)
    this.#signal.addEventListener('abort', this.#stop)
    this.#way.kept = true
    this.#turn()
  }

  readonly #stop = (): void => this.#finish(false)

  readonly #turn = (): void => {
    if (this.#over) return
    this.#beginDue()
    if (this.#over) return
    if (this.#past) return this.#finishIfEnded()
    const waitMs = Math.min(this.#nextMs, this.#toMs) - performance.now()
    if (waitMs > TURNING_MS) this.#timer = setTimeout(this.#turn, waitMs - TURNING_MS)
    else setImmediate(this.#naps ? this.#napAndTurn : this.#turn)
  }

  /** The flush of what was begun before comes first: it was asked for before. */
  readonly #napAndTurn = (): void => {
    Atomics.wait(never, 0, 0, NAP_MS)
    this.#turn()
  }

  #beginDue(): void {
    const { rate, random } = this.#options
    const now = performance.now()
    while (this.#nextMs <= now && this.#nextMs < this.#toMs) {
      if (this.#way.openCalls >= this.#most) return this.#giveUp(now)
      this.#open++
      this.#slice.begin(this.#counts(this.#nextMs))
      this.#way.begin(this.#nextMs, this.#onEnd)
      this.#nextMs += exponentialGapMs(random, rate)
    }
  }

  #giveUp(now: number): void {
    const { rate } = this.#options
    const after = ((now - this.#startMs) / 1_000).toFixed(1)
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
    if (this.#past) this.#finishIfEnded()
  }

  #counts(intendedMs: number): boolean {
    return intendedMs >= this.#fromMs
  }

  /** No call begins any more. Its time is waited for to the end: the next slice sooner would be more than the rate. */
  get #past(): boolean {
    return this.#nextMs >= this.#toMs && performance.now() >= this.#toMs
  }

  #finishIfEnded(): void {
    if (this.#open === 0) this.#finish(true)
  }

  #finish(complete: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#way.kept = false
    clearTimeout(this.#timer)
    this.#signal.removeEventListener('abort', this.#stop)
    // Of the times at which calls were to begin: how long the last took is in latency.
    const seconds = (Math.min(performance.now(), this.#toMs) - this.#fromMs) / 1_000
    this.#slice.wallSeconds = (performance.now() - this.#startMs) / 1_000
    this.#slice.seconds = complete ? this.#options.durationMs / 1_000 : Math.max(0, seconds)
    this.#slice.complete = complete
    this.#resolve(this.#slice)
  }
}
