/** The calls that are not over, as a list through the calls themselves: in and out cost two stores each. */

/** A call in the list; the links are the list's. */
export interface LiveCall {
  previousLive: LiveCall | undefined
  nextLive: LiveCall | undefined
  /** It ends now; the second time, also where the client's connection was to end with it. */
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
