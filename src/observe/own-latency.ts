/**
 * How long the proxy itself takes with what it forwards: from when it begins to read in a turn of the loop to when all that
 * came of it is written. It is measured once for each turn, for all of its calls together, so that a call costs an addition.
 * What waits for others is not in it: in the queue for a stream, or in the kernel until the turn begins.
 */
import type { CallLatency } from '../call/latency.ts'
import { systemClock } from '../transport/clock.ts'
import { Histogram } from '../transport/histogram.ts'
import { loopClock, onWritten } from '../transport/turn.ts'

/** A turn takes some 50 µs when there is little to do, and some milliseconds when there is much. */
const SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]

export class OwnLatency implements CallLatency {
  readonly request: Distributed = new Distributed()
  readonly response: Distributed = new Distributed()
  readonly #end: () => void
  /** When the last turn had written. */
  #writtenMs = 0

  constructor() {
    this.#end = onWritten(() => {
      const nowMs = systemClock.now()
      this.#writtenMs = nowMs
      if (this.request.isEmpty && this.response.isEmpty) return
      this.request.settle(nowMs)
      this.response.settle(nowMs)
    })
  }

  /** What came in an earlier turn has waited for others. */
  forwarded(startMs: number): void {
    if (startMs >= this.#writtenMs) this.request.began(startMs)
  }

  responded(): void {
    this.response.began(loopClock.now())
  }

  close(): void {
    this.#end()
  }
}

/** What began and has not ended, and the histogram of what has. */
class Distributed {
  readonly seconds = new Histogram(SECONDS)
  /** Most of a turn began at one time. */
  #sinceMs = 0
  #count = 0
  /** Others of it: times and how often, in turn. */
  readonly #others: number[] = []

  get isEmpty(): boolean {
    return this.#count === 0
  }

  began(sinceMs: number): void {
    if (sinceMs !== this.#sinceMs && this.#count > 0) {
      this.#others.push(this.#sinceMs, this.#count)
      this.#count = 0
    }
    this.#sinceMs = sinceMs
    this.#count++
  }

  settle(nowMs: number): void {
    if (this.#count === 0) return
    this.seconds.addTimes((nowMs - this.#sinceMs) / 1_000, this.#count)
    this.#count = 0
    for (let i = 0; i < this.#others.length; i += 2)
      this.seconds.addTimes((nowMs - this.#others[i]!) / 1_000, this.#others[i + 1]!)
    this.#others.length = 0
  }
}
