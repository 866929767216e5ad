/**
 * The open loop: calls begin at times drawn beforehand, whatever the proxy does, and latency counts from those times. A
 * proxy that stalls is charged for all the calls that should have begun meanwhile (no coordinated omission).
 */
import { newHistogram, recordMs } from '../../src/bench/histogram.ts'
import { Timetable, type TimetableOwner } from '../../src/bench/timetable.ts'
import { arrivals } from './arrivals.ts'
import { type Caller, type CallerOwner, MAX_OPEN } from './caller.ts'
import type { Connections } from './connections.ts'
import type { Outcome } from './outcome.ts'
import type { OpenMode } from './shape.ts'

/** The wait before the start, so that the first call is not late. */
const HEAD_START_MS = 10

/** @throws Error with the first call that failed, or the connection that was lost; or when no call was due */
export async function runOpen(connections: Pick<Connections, 'openAll'>, mode: OpenMode): Promise<Outcome> {
  const loop = new OpenLoop(mode)
  const callers = await connections.openAll(loop, MAX_OPEN)
  try {
    return await loop.run(callers)
  } finally {
    loop.times.stop()
    for (const caller of callers) caller.close()
  }
}

class OpenLoop implements CallerOwner, TimetableOwner {
  readonly times: Timetable
  readonly #calls: number
  readonly #seconds: number
  /** Calls that are due before are the warm-up. */
  readonly #countedFromMs: number
  readonly #latency = newHistogram()
  readonly #lag = newHistogram()
  readonly #result = Promise.withResolvers<Outcome>()
  #callers: readonly Caller[] = []
  #begun = 0
  #ended = 0

  constructor({ rate, seconds, warmUpSeconds }: OpenMode) {
    const drawn = arrivals(rate, warmUpSeconds + seconds)
    this.#calls = drawn.length
    this.#seconds = seconds
    this.#countedFromMs = warmUpSeconds * 1_000
    if (!(drawn.at(-1)! >= this.#countedFromMs)) {
      throw new RangeError(`at ${rate} calls a second no call is due within ${seconds} s`)
    }
    let asked = 0
    const next = (): number => drawn[asked++] ?? Number.POSITIVE_INFINITY
    this.times = new Timetable((warmUpSeconds + seconds) * 1_000, next, this)
    // It may fail while nobody waits for it yet.
    this.#result.promise.catch(() => {})
  }

  run(callers: readonly Caller[]): Promise<Outcome> {
    this.#callers = callers
    this.times.start(performance.now() + HEAD_START_MS)
    return this.#result.promise
  }

  /** Calls go on the connection whose turn it is. */
  onDue(atMs: number): void {
    if (atMs >= this.#countedFromMs) recordMs(this.#lag, this.times.elapsedMs - atMs)
    this.#callers[this.#begun++ % this.#callers.length]!.call(atMs)
  }

  onLooked(): void {
    for (const caller of this.#callers) caller.flush()
  }

  onEnd(_caller: Caller, atMs: number, problem: string | undefined): void {
    if (problem !== undefined) return this.onLost(problem)
    if (atMs >= this.#countedFromMs) recordMs(this.#latency, this.times.elapsedMs - atMs)
    if (++this.#ended < this.#calls) return
    const latency = this.#latency
    this.#result.resolve({ calls: latency.totalCount, seconds: this.#seconds, latency, lag: this.#lag })
  }

  onLost(reason: string): void {
    this.times.stop()
    this.#result.reject(new Error(reason))
  }
}
