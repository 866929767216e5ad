/**
 * Who may read files now. Node reads them with four threads, which resolve host names and verify tokens too: so files never
 * have more than two of them, and clients have turns, however many files one of them asks for.
 */

const MAX_AT_ONCE = 2

export class ReadTurns {
  readonly #maxAtOnce: number
  #running = 0
  /** By who asks, in the order of their turns. */
  readonly #waiting = new Map<object, (() => void)[]>()

  constructor(maxAtOnce = MAX_AT_ONCE) {
    this.#maxAtOnce = maxAtOnce
  }

  /** @param who whose requests are one after the other. @param read is begun when it is their turn */
  async in<Result>(who: object, read: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#maxAtOnce) this.#running++
    else await this.#turnOf(who)
    try {
      return await read()
    } finally {
      this.#next()
    }
  }

  #turnOf(who: object): Promise<void> {
    return new Promise(resolve => {
      const others = this.#waiting.get(who)
      if (others === undefined) this.#waiting.set(who, [resolve])
      else others.push(resolve)
    })
  }

  /** The place of one that has read goes to the next. */
  #next(): void {
    const [first] = this.#waiting
    if (first === undefined) {
      this.#running--
      return
    }
    const [who, begin] = first
    this.#waiting.delete(who)
    begin.shift()!()
    if (begin.length > 0) this.#waiting.set(who, begin)
  }
}
