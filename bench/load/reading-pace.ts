/**
 * Readers that take what comes at a fixed rate and no faster: what they have not taken holds their sender back, by
 * the window of the stream. A reader that had nothing to take does not make up for it later.
 */

/** What has come for one reader. */
export interface PacedReader {
  heldBytes: number
  /** Until when, by `performance.now()`, the rate has been used up. */
  paidMs: number
  take(bytes: number): void
}

/** Between two looks. */
const TICK_MS = 10
/** Faster, and the window of a stream would be the limit and not the rate: it gives half of 65,535 bytes a tick. */
export const MAX_READ_BYTES_PER_SECOND = 3_000_000

export class ReadingPace {
  readonly #bytesPerMs: number
  /** That have something to take. */
  readonly #readers = new Set<PacedReader>()
  #timer: NodeJS.Timeout | undefined

  /** @throws RangeError for a rate that cannot be kept */
  constructor(bytesPerSecond: number) {
    if (!(bytesPerSecond >= 1 && bytesPerSecond <= MAX_READ_BYTES_PER_SECOND)) {
      throw new RangeError(`readBytesPerSecond is ${bytesPerSecond}: it must be from 1 to ${MAX_READ_BYTES_PER_SECOND}`)
    }
    this.#bytesPerMs = bytesPerSecond / 1_000
  }

  /** So many bytes came for it. */
  hold(reader: PacedReader, bytes: number): void {
    if (reader.heldBytes === 0) {
      reader.paidMs = performance.now()
      this.#readers.add(reader)
    }
    reader.heldBytes += bytes
    this.#timer ??= setInterval(this.#tick, TICK_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#readers.clear()
  }

  readonly #tick = (): void => {
    const now = performance.now()
    for (const reader of this.#readers) {
      const bytes = Math.min(reader.heldBytes, Math.floor((now - reader.paidMs) * this.#bytesPerMs))
      if (bytes === 0) continue
      reader.heldBytes -= bytes
      reader.paidMs += bytes / this.#bytesPerMs
      if (reader.heldBytes === 0) this.#readers.delete(reader)
      reader.take(bytes)
    }
    if (this.#readers.size === 0) this.stop()
  }
}
