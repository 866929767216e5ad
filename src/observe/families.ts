/** Families of metrics in few words. */
import type { Description, Distribution, Family, Labels, Sample } from './registry.ts'

/** One number, or one for each set of labels. */
type Values<Value> = () => Value | Iterable<Sample>

function samplesOf(values: Values<number | Distribution>): () => Iterable<Sample> {
  return () => {
    const given = values()
    return typeof given === 'number' || 'bounds' in given ? [{ value: given }] : given
  }
}

export function counter(name: string, help: string, values: Values<number>): Family {
  return { name, help, type: 'counter', samples: samplesOf(values) }
}

export function gauge(name: string, help: string, values: Values<number>, together?: Description['together']): Family {
  return { name, help, type: 'gauge', ...(together && { together }), samples: samplesOf(values) }
}

export function histogram(name: string, help: string, values: Values<Distribution>): Family {
  return { name, help, type: 'histogram', samples: samplesOf(values) }
}

/** A sample for each entry, whose key is the value of one more label. */
export function byLabel(label: string, values: Iterable<readonly [string, number]>, labels: Labels = {}): Sample[] {
  return Array.from(values, ([text, value]) => ({ labels: { ...labels, [label]: text }, value }))
}
