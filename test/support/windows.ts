/** How much a raw peer may send (RFC 9113 §5.2, §6.9), and waiting for more. */
import { Setting } from './frames.ts'
import { PATIENCE_MS } from './inbox.ts'
import type { Received } from './received.ts'

const DEFAULT_BYTES = 65_535

export class Windows {
  #connection = DEFAULT_BYTES
  #initial = DEFAULT_BYTES
  /** Spent and given back of each stream, relative to the initial size, which SETTINGS may change for all (§6.9.2). */
  readonly #streams = new Map<number, number>()
  readonly #sent = new Map<number, number>()
  #waiting: (() => void)[] = []
  #ended = false

  /** 0 is the connection. */
  left(streamId: number): number {
    return streamId === 0 ? this.#connection : this.#initial + (this.#streams.get(streamId) ?? 0)
  }

  /** Bytes of DATA sent on a stream. */
  sent(streamId: number): number {
    return this.#sent.get(streamId) ?? 0
  }

  spend(streamId: number, bytes: number): void {
    this.#sent.set(streamId, this.sent(streamId) + bytes)
    this.#connection -= bytes
    this.#streams.set(streamId, (this.#streams.get(streamId) ?? 0) - bytes)
  }

  learn(item: Received): void {
    if (item.kind === 'settings' && !item.ack) this.#initial = item.values[Setting.INITIAL_WINDOW_SIZE] ?? this.#initial
    else if (item.kind !== 'windowUpdate') return
    else if (item.streamId === 0) this.#connection += item.increment
    else this.#streams.set(item.streamId, (this.#streams.get(item.streamId) ?? 0) + item.increment)
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** Waits until at least one byte may go; up to `wanted`. 0 when the connection ended. */
  async room(streamId: number, wanted: number): Promise<number> {
    for (;;) {
      if (this.#ended) return 0
      const room = Math.min(wanted, this.left(0), this.left(streamId))
      if (room > 0) return room
      await this.#change(streamId)
    }
  }

  #change(streamId: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no window for stream ${streamId}`)), PATIENCE_MS)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
