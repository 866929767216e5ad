/**
 * What a gate counts of its calls where several processes keep its limit together: each tells what has changed, and is told
 * of the others. Between two exchanges each goes by what it knows, so a limit may be passed by what comes in that time.
 *
 * ```
 *   gate ── passed(key), changed(key) ─▶ counts ── take ─▶ others
 *   gate ◀── elsewhere ───────────────── counts ◀─ hear ── others
 * ```
 */

/** Calls by key. */
export type KeyCounts = readonly (readonly [key: string, calls: number])[]

export interface SharedCounts {
  /** `passed`: calls since the last time. `running`: calls that there are now; 0 where there are none any more. */
  readonly kind: 'passed' | 'running'
  /** What has changed since it was last taken, of so many keys at most. */
  take(most: number): KeyCounts
  /**
   * What the others count.
   * @param isAnew what was heard before holds no longer
   */
  hear(counts: KeyCounts, isAnew: boolean): void
  /** Nobody tells of the others: what they counted holds no longer, and they know nothing of what is counted here. */
  forget(): void
}

/** What one process is told of one gate at a time, in keys: 200 KiB at most, as a key has 96 characters at most. */
export const MAX_TOLD_KEYS = 2_000
/** So many exchanges a key waits at most. What came at its rate and is told late, all at once, would be above it. */
const MAX_LATE_EXCHANGES = 5
/** Keys that wait until they are told. Those that find no place have a rate of their own in each process. */
export const MAX_WAITING_KEYS = MAX_LATE_EXCHANGES * MAX_TOLD_KEYS
/** How often processes tell each other, while there is something to tell. */
export const EXCHANGE_MS = 50
/** So long ago others may have counted what is heard now: it was told to a third, and then by that one. */
const AGE_MS = 2 * EXCHANGE_MS

/** Calls that a gate by rate has let pass. */
export class PassedCounts implements SharedCounts {
  readonly kind = 'passed'
  readonly #onCounted: () => void
  readonly #waiting = new Map<string, number>()
  /** As many as can be told in time. */
  #mostWaiting = MAX_WAITING_KEYS
  /** The gate's: other processes have let so many calls pass, within so long before now. */
  onElsewhere: (key: string, calls: number, ageMs: number) => void = () => {}

  /** @param onCounted hears of each call that there is something to take */
  constructor(onCounted: () => void) {
    this.#onCounted = onCounted
  }

  /** A call has passed here. */
  passed(key: string): void {
    const before = this.#waiting.get(key)
    if (before === undefined && this.#waiting.size >= this.#mostWaiting) return
    this.#waiting.set(key, (before ?? 0) + 1)
    this.#onCounted()
  }

  take(most: number): KeyCounts {
    this.#mostWaiting = Math.min(MAX_WAITING_KEYS, MAX_LATE_EXCHANGES * most)
    return takeFirst(this.#waiting, most)
  }

  hear(counts: KeyCounts): void {
    for (const [key, calls] of counts) this.onElsewhere(key, calls, AGE_MS)
  }

  /** What others have let pass has passed. What was not told of here is past, too. */
  forget(): void {
    this.#waiting.clear()
  }
}

/** Calls that are under way. What is kept is bounded by calls: a key is known while some process has calls of it. */
export class RunningCounts implements SharedCounts {
  readonly kind = 'running'
  readonly #onCounted: () => void
  /** The gate's: its calls. */
  readonly here = new Map<string, number>()
  readonly #elsewhere = new Map<string, number>()
  /** Keys whose number the others do not know. */
  readonly #changed = new Set<string>()
  /** Keys of which the others were told that there are calls. */
  readonly #told = new Set<string>()

  /** @param onCounted hears of each call that there is something to take */
  constructor(onCounted: () => void) {
    this.#onCounted = onCounted
  }

  elsewhere(key: string): number {
    return this.#elsewhere.get(key) ?? 0
  }

  /** A call is refused because of calls elsewhere: whoever tells of them is to show that they are there still. */
  doubt(): void {
    this.#onCounted()
  }

  /** A call of this key has begun or ended here. */
  changed(key: string): void {
    if (!this.here.has(key) && !this.#told.has(key)) {
      // It came and went between two exchanges.
      this.#changed.delete(key)
      return
    }
    this.#changed.add(key)
    this.#onCounted()
  }

  take(most: number): KeyCounts {
    const taken: [string, number][] = []
    for (const key of this.#changed) {
      if (taken.length === most) break
      this.#changed.delete(key)
      const calls = this.here.get(key) ?? 0
      if (calls === 0) this.#told.delete(key)
      else this.#told.add(key)
      taken.push([key, calls])
    }
    return taken
  }

  hear(counts: KeyCounts, isAnew: boolean): void {
    if (isAnew) this.#elsewhere.clear()
    for (const [key, calls] of counts) {
      if (calls === 0) this.#elsewhere.delete(key)
      else this.#elsewhere.set(key, calls)
    }
  }

  forget(): void {
    this.#elsewhere.clear()
    this.#told.clear()
    this.#changed.clear()
    for (const key of this.here.keys()) this.#changed.add(key)
  }
}

/** Takes the oldest out of a map. */
export function takeFirst(waiting: Map<string, number>, most: number): KeyCounts {
  const taken: [string, number][] = []
  for (const one of waiting) {
    if (taken.length === most) break
    waiting.delete(one[0])
    taken.push(one)
  }
  return taken
}
