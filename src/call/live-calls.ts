/** The calls that are not over, as a list whose links are in the calls: to add or remove one costs some stores. */
import type { Clock } from '../transport/clock.ts'

/** A call in the list; the links are the list's. */
export interface LiveCall {
  previousLive: LiveCall | undefined
  nextLive: LiveCall | undefined
  /** Ends the call now. The second time it also ends a call that was left to the end of its client's connection. */
  abort(): void
}

export class LiveCalls {
  #first: LiveCall | undefined
  size = 0
  /** Those who wait for the last call to end. */
  readonly #waiting = new Set<() => void>()

  add(call: LiveCall): void {
    const first = this.#first
    call.nextLive = first
    if (first !== undefined) first.previousLive = call
    this.#first = call
    this.size++
  }

  /** Once for each `add`. */
  remove(call: LiveCall): void {
    const { previousLive, nextLive } = call
    if (previousLive === undefined) this.#first = nextLive
    else previousLive.nextLive = nextLive
    if (nextLive !== undefined) nextLive.previousLive = previousLive
    call.previousLive = call.nextLive = undefined
    if (--this.size === 0) for (const resolve of this.#waiting) resolve()
  }

  /** Resolves when there is none, or after this time. */
  async empty(clock: Clock, atMostMs: number): Promise<void> {
    if (this.size === 0) return
    await new Promise<void>(resolve => {
      const done = () => {
        timer.cancel()
        this.#waiting.delete(done)
        resolve()
      }
      const timer = clock.after(atMostMs, done)
      this.#waiting.add(done)
    })
  }

  /** Ends all of them. */
  abortAll(): void {
    const calls: LiveCall[] = []
    for (let call = this.#first; call !== undefined; call = call.nextLive) calls.push(call)
    for (const call of calls) call.abort()
  }
}
