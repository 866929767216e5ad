/** The calls that are not over, as a list whose links are in the calls: to add or remove one costs some stores. */

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
    this.size--
  }

  /** Ends all of them. */
  abortAll(): void {
    const calls: LiveCall[] = []
    for (let call = this.#first; call !== undefined; call = call.nextLive) calls.push(call)
    for (const call of calls) call.abort()
  }
}
