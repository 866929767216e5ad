/**
 * Calls that wait for a place on their connection, first in, first out. Each is the time that comes back with its end.
 */
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
