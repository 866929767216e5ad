/** The calls that are not over, as a list whose links are in the calls: to add or remove one costs some stores. */
import type { Clock } from '../transport/clock.ts'
import type { CallParts } from './call-state.ts'

/** A call in the list; the links are the list's. */
export interface LiveCall {
  previousLive: LiveCall | undefined
  nextLive: LiveCall | undefined
  /** What it is made of, for whoever looks at calls in flight. */
  readonly parts: CallParts
  /** Ends the call now. The second time it also ends a call that was left to the end of its client's connection. */
  abort(): void
}

export class LiveCalls {
  /** The newest. */
  #first: LiveCall | undefined
  /** The oldest. */
  #last: LiveCall | undefined
  size = 0
  /** How many there ever were. */
  started = 0
  /** Those who wait for the last call to end. */
  readonly #waiting = new Set<() => void>()

  add(call: LiveCall): void {
    const first = this.#first
    call.nextLive = first
    if (first === undefined) this.#last = call
    else first.previousLive = call
    this.#first = call
    this.size++
    this.started++
  }

  /** Once for each `add`. */
  remove(call: LiveCall): void {
    const { previousLive, nextLive } = call
    if (previousLive === undefined) this.#first = nextLive
    else previousLive.nextLive = nextLive
    if (nextLive === undefined) this.#last = previousLive
    else nextLive.previousLive = previousLive
    call.previousLive = call.nextLive = undefined
    if (--this.size === 0) for (const resolve of this.#waiting) resolve()
  }

  /** A part of the list, the oldest call first. What is before that part is only passed by. */
  oldest(first: number, most: number): LiveCall[] {
    const calls: LiveCall[] = []
    let call = this.#last
    for (let i = 0; call !== undefined && calls.length < most; i++, call = call.previousLive)
      if (i >= first) calls.push(call)
    return calls
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
