/**
 * Who may read files now. Node reads them with four threads, which resolve host names and verify tokens too: so files never
 * have more than two of them, and connections have turns, however many files one of them asks for.
 */

const MAX_AT_ONCE = 2

export class ReadTurns {
  readonly #maxAtOnce: number
  #running = 0
  /** Readers and how they begin, by the connection, in the order of their turns. */
  readonly #waiting = new Map<object, Map<object, () => void>>()

  constructor(maxAtOnce = MAX_AT_ONCE) {
    this.#maxAtOnce = maxAtOnce
  }

  /**
   * @param connection whose readers are one after the other
   * @param reader who reads one thing at a time
   * @param read is begun when it is their turn; never, if the reader leaves before
   */
  async in<Result>(connection: object, reader: object, read: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#maxAtOnce) this.#running++
    else await this.#turnOf(connection, reader)
    try {
      return await read()
    } finally {
      this.#next()
    }
  }

  #turnOf(connection: object, reader: object): Promise<void> {
    return new Promise(resolve => {
      const others = this.#waiting.get(connection)
      if (others === undefined) this.#waiting.set(connection, new Map([[reader, resolve]]))
      else others.set(reader, resolve)
    })
  }

  /** It does not wait any more: where a drive does not answer, turns do not come. */
  leave(connection: object, reader: object): void {
    const readers = this.#waiting.get(connection)
    if (readers?.delete(reader) && readers.size === 0) this.#waiting.delete(connection)
  }

  /** The place of one that has read goes to the next. */
  #next(): void {
    const [first] = this.#waiting
    if (first === undefined) {
      this.#running--
      return
    }
    const [connection, readers] = first
    const [reader, begin] = readers.entries().next().value!
    this.#waiting.delete(connection)
    readers.delete(reader)
    if (readers.size > 0) this.#waiting.set(connection, readers)
    begin()
  }
}
