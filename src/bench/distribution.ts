/** A distribution of latencies, from HDR histograms: its values, and how many are at or below each. */
import type { JsHistogram } from 'hdr-histogram-js'

/**
 * Several histograms on the values that any of them has, ascending. A resample is then a weight for each of them, and
 * a search finds its percentile.
 */
export class Distributions {
  readonly values: Float64Array
  /** By histogram: how many of its values are at or below `values[i]`. */
  readonly #atMost: readonly Float64Array[]

  constructor(histograms: readonly JsHistogram[]) {
    const counted = histograms.map(countsOf)
    this.values = Float64Array.from(new Set(counted.flatMap(counts => [...counts.keys()]))).sort()
    this.#atMost = counted.map(counts => {
      let sum = 0
      return this.values.map(value => {
        sum += counts.get(value) ?? 0
        return sum
      })
    })
  }

  /**
   * The least value that a share of all, each histogram counted `weights[i]` times, does not exceed (nearest rank).
   * NaN where there are none.
   */
  percentile(share: number, weights: ArrayLike<number>): number {
    const last = this.values.length - 1
    const rank = Math.max(1, Math.ceil(share * this.#sum(last, weights) - 1e-9))
    let low = 0
    let high = last
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#sum(middle, weights) >= rank) high = middle
      else low = middle + 1
    }
    return last < 0 || this.#sum(last, weights) === 0 ? Number.NaN : this.values[low]!
  }

  #sum(at: number, weights: ArrayLike<number>): number {
    let sum = 0
    for (let i = 0; i < this.#atMost.length; i++) sum += weights[i]! * (this.#atMost[i]![at] ?? 0)
    return sum
  }
}

function countsOf(histogram: JsHistogram): Map<number, number> {
  const counts = new Map<number, number>()
  const { recordedValuesIterator: values } = histogram
  values.reset()
  while (values.hasNext()) {
    const { valueIteratedTo, countAtValueIteratedTo } = values.next()
    counts.set(valueIteratedTo, countAtValueIteratedTo)
  }
  return counts
}
