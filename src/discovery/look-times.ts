/**
 * When a source of DNS looks again: when what it knows is over, within bounds; at once when an endpoint has failed, but
 * not more often than its shortest interval; less and less often while nothing can be had.
 *
 * Many proxies see records end at the same moment, so each adds a random part to its intervals.
 */
import type { SourceContext } from '../backend/settings.ts'
import type { Timer } from '../transport/clock.ts'

export interface LookTimesOptions {
  /** Between two looks; also after an endpoint failed. */
  readonly minIntervalMs: number
  /** However long the records may live. */
  readonly maxIntervalMs: number
  /** The most that is added to an interval, as a part of it. */
  readonly jitter: number
}

/** What a look found. */
export interface Looked {
  /** How long it may live. */
  readonly ttlMs: number
  /** Something of it could not be had, and is looked for again soon. */
  readonly partial: boolean
}

export class LookTimes {
  readonly #options: LookTimesOptions
  readonly #context: SourceContext
  readonly #look: () => Promise<Looked>
  readonly #onFailed: (error: Error) => void
  #looking = false
  #closed = false
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #lookedMs = Number.NEGATIVE_INFINITY
  /** Looks in a row that found nothing, or not all. */
  #failures = 0

  /**
   * @param look throws where it found nothing
   * @param onFailed told what it threw, which may be a mistake of our own: that must not end the process
   */
  constructor(
    options: LookTimesOptions,
    context: SourceContext,
    look: () => Promise<Looked>,
    onFailed: (error: Error) => void,
  ) {
    this.#options = options
    this.#context = context
    this.#look = look
    this.#onFailed = onFailed
  }

  start(): void {
    void this.#lookNow()
  }

  /** Any number of reasons to look are one look, and there is a pause between two of them. */
  soon(): void {
    if (this.#looking) return
    this.#lookAt(Math.max(this.#lookedMs + this.#options.minIntervalMs, this.#context.clock.now()))
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #lookAt(atMs: number): void {
    const { clock } = this.#context
    if (this.#closed || atMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    this.#timer = clock.after(Math.max(atMs - clock.now(), 0), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY
      void this.#lookNow()
    })
  }

  async #lookNow(): Promise<void> {
    const { clock, random } = this.#context
    this.#looking = true
    this.#lookedMs = clock.now()
    const intervalMs = await this.#intervalAfterLook()
    this.#looking = false
    this.#lookAt(clock.now() + intervalMs * (1 + this.#options.jitter * random()))
  }

  async #intervalAfterLook(): Promise<number> {
    try {
      const { ttlMs, partial } = await this.#look()
      if (partial) return Math.min(this.#pauseMs(), this.#within(ttlMs))
      this.#failures = 0
      return this.#within(ttlMs)
    } catch (error) {
      this.#onFailed(error as Error)
      return this.#pauseMs()
    }
  }

  #pauseMs(): number {
    const { minIntervalMs, maxIntervalMs } = this.#options
    return Math.min(minIntervalMs * 2 ** Math.min(this.#failures++, 30), maxIntervalMs)
  }

  #within(ttlMs: number): number {
    return Math.min(Math.max(ttlMs, this.#options.minIntervalMs), this.#options.maxIntervalMs)
  }
}
