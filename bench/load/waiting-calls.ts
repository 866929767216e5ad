/** Calls that wait for a place on their connection, by the times that are given back with their ends; first in, first out. */
export class WaitingCalls {
  #times: number[] = []
  #from = 0

  get any(): boolean {
    return this.#from < this.#times.length
  }

  push(intended: number): void {
    this.#times.push(intended)
  }

  /** Only while there is `any`. */
  shift(): number {
    const intended = this.#times[this.#from++]!
    if (this.#from === this.#times.length) this.#from = this.#times.length = 0
    return intended
  }
}
