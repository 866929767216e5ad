/** Values, and how often they were up to each of some bounds. */

/** One of the values, and the trace in which somebody can see why it was so. */
export interface Exemplar {
  readonly traceId: string
  readonly value: number
  /** Milliseconds since 1970. */
  readonly dateMs: number
}

/** How often values were, up to each of some bounds. */
export interface Distribution {
  /** Ascending; a value that equals one is within it. */
  readonly bounds: readonly number[]
  /** For each bound, and for what is beyond the last: how many values were in that part alone. */
  readonly counts: ArrayLike<number>
  readonly sum: number
  /** For each part the latest, where there was one: so their number is bounded. */
  readonly exemplars?: readonly (Exemplar | undefined)[] | undefined
}

/** The same, to be counted. */
export class Histogram implements Distribution {
  readonly bounds: readonly number[]
  readonly counts: Float64Array
  sum = 0
  exemplars: (Exemplar | undefined)[] | undefined

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  /** @param traceId where the value is part of a trace that is kept */
  add(value: number, traceId?: string): void {
    const at = this.#partOf(value)
    this.counts[at]!++
    this.sum += value
    if (traceId !== undefined) this.#exemplify(at, value, traceId)
  }

  /** The same value so many times. */
  addTimes(value: number, times: number): void {
    this.counts[this.#partOf(value)]! += times
    this.sum += value * times
  }

  #partOf(value: number): number {
    const { bounds } = this
    let at = 0
    while (at < bounds.length && value > bounds[at]!) at++
    return at
  }

  #exemplify(at: number, value: number, given: string): void {
    // A part of a longer text would keep all of that.
    const traceId = Buffer.from(given, 'latin1').toString('latin1')
    this.exemplars ??= []
    this.exemplars[at] = { traceId, value, dateMs: Date.now() }
  }
}
