/**
 * Readers that take what comes at a fixed rate and no faster: bytes that they have not taken hold their sender back, by
 * the window of the stream. A reader that had nothing to take does not make up for it later.
 */

/** One reader, and what came for it. */
export interface PacedReader {
  heldBytes: number
  /** The time of `performance.now()` until which the rate is used up. */
  paidMs: number
  take(bytes: number): void
}

/** The time between two looks. */
const TICK_MS = 10
/** With a faster rate the window of a stream would be the limit: it gives half of 65,535 bytes a tick. */
export const MAX_READ_BYTES_PER_SECOND = 3_000_000

export class ReadingPace {
  readonly #bytesPerMs: number
  /** Readers that have something to take. */
  readonly #readers = new Set<PacedReader>()
  #timer: NodeJS.Timeout | undefined

  /** @throws RangeError for a rate that cannot be kept */
  constructor(bytesPerSecond: number) {
    if (!(bytesPerSecond >= 1 && bytesPerSecond <= MAX_READ_BYTES_PER_SECOND)) {
      throw new RangeError(`readBytesPerSecond is ${bytesPerSecond}: it must be from 1 to ${MAX_READ_BYTES_PER_SECOND}`)
    }
    this.#bytesPerMs = bytesPerSecond / 1_000
  }

  /** This many bytes came for the reader. */
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
