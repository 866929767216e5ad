/**
 * The messages of a response by their prefixes: Compressed-Flag (1 byte), Message-Length (4 bytes, big endian), Message
 * (PROTOCOL-HTTP2.md). Beside their count it knows whether the response ended within one.
 */
const PREFIX_BYTES = 5

export class ResponseCounter {
  /** Messages that have begun and whose prefix is whole. */
  messages = 0
  /** Bytes of the current prefix seen so far. */
  #prefix = 0
  #length = 0
  /** Bytes of the current message still to come. */
  #remaining = 0

  /** More must come. */
  get within(): boolean {
    return this.#prefix > 0 || this.#remaining > 0
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    let at = start
    while (at < end) {
      const skipped = Math.min(this.#remaining, end - at)
      this.#remaining -= skipped
      at += skipped
      if (at < end) this.#prefixByte(bytes[at++]!)
    }
  }

  #prefixByte(byte: number): void {
    if (this.#prefix > 0) this.#length = this.#length * 256 + byte
    if (++this.#prefix < PREFIX_BYTES) return
    this.messages++
    this.#remaining = this.#length
    this.#prefix = this.#length = 0
  }
}
