/** What the gates of a worker count, as its primary asks for it and tells of the others. */
import type { SharedCounts } from '../gates/shared-counts.ts'
import type { Clock, Timer } from '../transport/clock.ts'
import type { CountsAnswer, CountsQuestion } from './messages.ts'

/**
 * A primary asks some 50 ms after it was told that there is something. One that stands still tells nothing of other workers:
 * then calls of theirs that are over would count for ever, so each worker goes by its own.
 */
const SILENT_MS = 2_000

export class WorkerCounts {
  readonly #clock: Clock
  readonly #tell: () => void
  #shared: ReadonlyMap<string, SharedCounts> = new Map()
  /** The primary knows nothing of these numbers, or not all. */
  #isAnew = true
  /** It was told that there is something, or it knows. */
  #isTold = false
  #silence: Timer | undefined

  /** @param tell the primary that there is something */
  constructor(clock: Clock, tell: () => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** The gates that there are from now on. */
  set shared(shared: ReadonlyMap<string, SharedCounts>) {
    const isAny = shared.size > 0 || this.#shared.size > 0
    this.#shared = shared
    if (isAny) this.onCounted()
  }

  readonly onCounted = (): void => {
    if (this.#isTold) return
    this.#isTold = true
    this.#await()
    this.#tell()
  }

  #await(): void {
    this.#silence?.cancel()
    this.#silence = this.#clock.after(SILENT_MS, () => {
      this.#isAnew = true
      this.#isTold = false
      for (const counts of this.#shared.values()) counts.forget()
    })
  }

  /** The primary asks, and tells. */
  answer({ told, most }: CountsQuestion): CountsAnswer {
    this.#silence?.cancel()
    for (const { gate, counts, isAnew } of told) this.#shared.get(gate)?.hear(counts, isAnew)
    const gates = [...this.#shared].map(([gate, shared]) => ({ gate, kind: shared.kind, counts: shared.take(most) }))
    const isAnew = this.#isAnew
    this.#isAnew = false
    // Who gets something asks again.
    this.#isTold = gates.some(({ counts }) => counts.length > 0)
    if (this.#isTold) this.#await()
    return { isAnew, gates }
  }
}
