/**
 * Things that arrive, and tests that wait for them. An item is taken once: a later wait for the
 * same kind of thing gets the next one.
 */

/** A test that waits longer than this has failed. Long, so that a busy machine never decides a test. */
export const PATIENCE_MS = 60_000

interface Waiter<T> {
  readonly matches: (item: T) => boolean
  readonly resolve: (item: T) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
  readonly what: string
}

export class Inbox<T> {
  readonly #items: T[] = []
  readonly #waiters: Waiter<T>[] = []
  readonly #describe: () => string
  #ended: string | undefined

  /** @param describe what a failed wait says besides what it waited for: the log of what came instead */
  constructor(describe: () => string) {
    this.#describe = describe
  }

  put(item: T): void {
    const at = this.#waiters.findIndex(waiter => waiter.matches(item))
    if (at < 0) {
      this.#items.push(item)
      return
    }
    const [waiter] = this.#waiters.splice(at, 1)
    clearTimeout(waiter!.timer)
    waiter!.resolve(item)
  }

  /**
   * The first item not yet taken that matches, or the next that will.
   * @throws when nothing more can come, or nothing came for a minute
   */
  take(matches: (item: T) => boolean, what: string): Promise<T> {
    const at = this.#items.findIndex(matches)
    if (at >= 0) return Promise.resolve(this.#items.splice(at, 1)[0]!)
    if (this.#ended !== undefined) return Promise.reject(this.#failure(what, this.#ended))
    return new Promise((resolve, reject) => {
      const waiter: Waiter<T> = {
        matches,
        resolve,
        reject,
        what,
        timer: setTimeout(() => this.#give(waiter), PATIENCE_MS),
      }
      this.#waiters.push(waiter)
    })
  }

  /** Nothing more will come: who waits is told so. */
  end(reason: string): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    for (const waiter of this.#waiters.splice(0)) {
      clearTimeout(waiter.timer)
      waiter.reject(this.#failure(waiter.what, reason))
    }
  }

  #give(waiter: Waiter<T>): void {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
    waiter.reject(this.#failure(waiter.what, 'nothing came for a minute'))
  }

  #failure(what: string, reason: string): Error {
    return new Error(`waited for ${what}: ${reason}\n${this.#describe()}`)
  }
}
