/**
 * Open loop: calls begin at times drawn beforehand, whatever the proxy does, and latency counts from those times. A
 * proxy that stalls is charged for all the calls that should have begun meanwhile (no coordinated omission).
 */
import { newHistogram, recordMs } from '../../src/bench/histogram.ts'
import { arrivals } from './arrivals.ts'
import { type Caller, type CallerOwner, MAX_OPEN } from './caller.ts'
import type { Connections } from './connections.ts'
import type { Outcome } from './outcome.ts'
import type { OpenMode } from './shape.ts'

/** Between two looks at clock and sockets. The kernel adds its timer slack of 0.05 ms. */
const NAP_MS = 0.05
/** For the first call not to be late. */
const HEAD_START_MS = 10
const never = new Int32Array(new SharedArrayBuffer(4))

/** @throws Error with the first call that failed, or the connection that was lost; or when no call was due */
export async function runOpen(connections: Pick<Connections, 'openAll'>, mode: OpenMode): Promise<Outcome> {
  const loop = new OpenLoop(mode)
  const callers = await connections.openAll(loop, MAX_OPEN)
  try {
    return await loop.run(callers)
  } finally {
    loop.stop()
    for (const caller of callers) caller.close()
  }
}

class OpenLoop implements CallerOwner {
  readonly #times: Float64Array
  readonly #seconds: number
  /** Calls that are due before are the warm-up. */
  readonly #countedFromMs: number
  readonly #latency = newHistogram()
  readonly #lag = newHistogram()
  readonly #result = Promise.withResolvers<Outcome>()
  #callers: readonly Caller[] = []
  #startMs = 0
  #begun = 0
  #ended = 0
  #over = false

  constructor({ rate, seconds, warmUpSeconds }: OpenMode) {
    this.#times = arrivals(rate, warmUpSeconds + seconds)
    this.#seconds = seconds
    this.#countedFromMs = warmUpSeconds * 1_000
    if (!(this.#times.at(-1)! >= this.#countedFromMs)) {
      throw new RangeError(`at ${rate} calls a second no call is due within ${seconds} s`)
    }
    // It may fail while nobody waits for it yet.
    this.#result.promise.catch(() => {})
  }

  run(callers: readonly Caller[]): Promise<Outcome> {
    this.#callers = callers
    this.#startMs = performance.now() + HEAD_START_MS
    this.#tick()
    return this.#result.promise
  }

  stop(): void {
    this.#over = true
  }

  readonly #tick = (): void => {
    if (this.#over) return
    // A timer of the event loop has steps of 1 ms; to spin would starve the backend on the same core.
    Atomics.wait(never, 0, 0, NAP_MS)
    this.#beginDue()
    for (const caller of this.#callers) caller.flush()
    // Behind what callers flush by themselves in this way, so that a nap delays nothing that was begun.
    setImmediate(this.#tick)
  }

  /** Begins what is due, on whichever connection's turn it is. */
  #beginDue(): void {
    const times = this.#times
    while (this.#begun < times.length) {
      const intended = times[this.#begun]!
      const lateMs = performance.now() - this.#startMs - intended
      if (lateMs < 0) return
      if (intended >= this.#countedFromMs) recordMs(this.#lag, lateMs)
      this.#callers[this.#begun++ % this.#callers.length]!.call(intended)
    }
  }

  onEnd(_caller: Caller, intended: number, problem: string | undefined): void {
    if (problem !== undefined) return this.onLost(problem)
    if (intended >= this.#countedFromMs) recordMs(this.#latency, performance.now() - this.#startMs - intended)
    if (++this.#ended < this.#times.length) return
    this.#over = true
    const latency = this.#latency
    this.#result.resolve({ calls: latency.totalCount, seconds: this.#seconds, latency, lag: this.#lag })
  }

  onLost(reason: string): void {
    this.#over = true
    this.#result.reject(new Error(reason))
  }
}
