/**
 * Counts gRPC messages by their prefix, without looking into them: Length-Prefixed-Message is
 * Compressed-Flag (1 byte), Message-Length (4 bytes, big endian), Message (PROTOCOL-HTTP2.md).
 * DATA frame borders are not message borders, so it keeps its place between pieces.
 */
export const PREFIX_BYTES = 5

export class MessageCounter {
  /** Bytes of DATA payload. */
  bytes = 0
  /** Messages whose prefix has come whole. */
  messages = 0
  /** Bytes of the current prefix seen so far. */
  #prefix = 0
  #length = 0
  /** Bytes of the current message still to come. */
  #remaining = 0

  /** More of a message must come: what ended here is not whole. */
  get within(): boolean {
    return this.#prefix > 0 || this.#remaining > 0
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    this.bytes += end - start
    let at = start
    while (at < end) {
      if (this.#remaining > 0) {
        const skipped = Math.min(this.#remaining, end - at)
        this.#remaining -= skipped
        at += skipped
        continue
      }
      if (this.#prefix > 0) this.#length = this.#length * 256 + bytes[at]!
      this.#prefix++
      at++
      if (this.#prefix < PREFIX_BYTES) continue
      this.messages++
      this.#remaining = this.#length
      this.#prefix = this.#length = 0
    }
  }
}
