/** What several processes tell of themselves, as that of one. */
import type { Description, Distribution, Exemplar, Labels, Reading, Sample } from './registry.ts'

/** A sample of each set of labels, and its value so far. */
type Sums = Map<string, { readonly labels: Labels; value: number | Distribution }>

/**
 * @param all what each process has read of itself. A process may lack a metric that others have.
 * @returns counters and histograms added up; gauges too, unless they say otherwise (`together`)
 */
export function readTogether(all: Iterable<readonly Reading[]>): Reading[] {
  const descriptions = new Map<string, { readonly description: Description; readonly sums: Sums }>()
  for (const readings of all) {
    for (const { samples, ...description } of readings) {
      let known = descriptions.get(description.name)
      if (known === undefined) {
        known = { description, sums: new Map() }
        descriptions.set(description.name, known)
      }
      for (const sample of samples) add(known.sums, sample, description)
    }
  }
  return Array.from(descriptions.values(), ({ description, sums }) => ({ ...description, samples: [...sums.values()] }))
}

function add(sums: Sums, { labels = {}, value }: Sample, { together }: Description): void {
  const key = JSON.stringify(Object.entries(labels))
  const known = sums.get(key)
  if (known === undefined) sums.set(key, { labels, value })
  else known.value = combined(known.value, value, together)
}

function combined(a: Sample['value'], b: Sample['value'], together: Description['together']): Sample['value'] {
  if (typeof a === 'number' && typeof b === 'number') {
    if (together === undefined) return a + b
    return together === 'least' ? Math.min(a, b) : Math.max(a, b)
  }
  // One name is one type in all of them: they are of one version.
  return addedUp(a as Distribution, b as Distribution)
}

/** While a change of the buckets goes through the processes, only the bounds that both have can be told. */
function addedUp(a: Distribution, b: Distribution): Distribution {
  const bounds = a.bounds.filter(bound => b.bounds.includes(bound))
  const [ofA, ofB] = [countsWithin(a, bounds), countsWithin(b, bounds)]
  const sums = { bounds, counts: ofA.map((count, i) => count + ofB[i]!), sum: a.sum + b.sum }
  const isSame = bounds.length === a.bounds.length && bounds.length === b.bounds.length
  if (!isSame || (a.exemplars === undefined && b.exemplars === undefined)) return sums
  return { ...sums, exemplars: ofA.map((_, i) => latest(a.exemplars?.[i], b.exemplars?.[i])) }
}

function latest(a: Exemplar | undefined, b: Exemplar | undefined): Exemplar | undefined {
  return (a?.dateMs ?? 0) > (b?.dateMs ?? 0) ? a : b
}

/** The counts for some of its bounds. */
function countsWithin({ bounds, counts }: Distribution, wanted: readonly number[]): number[] {
  const within = new Array<number>(wanted.length + 1).fill(0)
  let at = 0
  for (let i = 0; i < counts.length; i++) {
    within[at]! += counts[i]!
    if (at < wanted.length && bounds[i] === wanted[at]) at++
  }
  return within
}
