/** The metrics of several workers as those of one proxy. */
import type { Labels, Reading, Sample } from '../observe/registry.ts'
import { readTogether } from '../observe/together.ts'

/** Of a process, by the names that client libraries of Prometheus give them: added up they would say nothing. */
const OF_A_PROCESS = /^(process|nodejs)_/

/** All workers have the same endpoints, and may not think the same of them: an alert is to find the worst of it. */
const OF_ENDPOINTS: Readonly<Record<string, Reading['together']>> = {
  grpc_verbatim_backend_endpoints: 'greatest',
  grpc_verbatim_backend_usable_endpoints: 'least',
  grpc_verbatim_backend_unusable_endpoints: 'greatest',
  grpc_verbatim_backend_endpoint_states: 'greatest',
}

/** A method that has no series of its own, as in `call-metrics.ts`. */
const OTHER = 'other'

export class Readings {
  /** Most methods that have series of their own: each worker has as many, and they need not be the same. */
  maxMethods: number
  readonly #methods = new Set<string>()
  /** What each worker that runs has told last. */
  readonly #last = new Map<number, readonly Reading[]>()
  /** What those had counted that are gone. Without it sums would fall, which Prometheus takes for a new beginning. */
  #past: Reading[] = []

  constructor(maxMethods: number) {
    this.maxMethods = maxMethods
  }

  /** What it has counted so far. */
  told(worker: number, readings: readonly Reading[]): void {
    this.#last.set(worker, readings)
  }

  /** The worker is gone. What it counted since it was last read is lost. */
  gone(worker: number): void {
    const last = this.#last.get(worker)
    this.#last.delete(worker)
    if (last === undefined) return
    const counted = last.filter(({ type, name }) => type !== 'gauge' && !OF_A_PROCESS.test(name))
    this.#past = readTogether([this.#past, counted.map(reading => this.#bounded(reading))])
  }

  /**
   * @param now by worker; for one that did not answer, what it told before holds
   * @param own of the primary itself. What it tells besides its process it knows better than workers, which are not asked
   */
  together(now: ReadonlyMap<number, readonly Reading[]>, own: readonly Reading[]): Reading[] {
    for (const [worker, readings] of now) this.told(worker, readings)
    const ofPrimary = new Set(own.filter(({ name }) => !OF_A_PROCESS.test(name)).map(({ name }) => name))
    const ofWorkers = [...this.#last]
      // Who reads twice finds the same order, whoever answered first.
      .sort(([a], [b]) => a - b)
      .map(([worker, readings]) =>
        readings
          .filter(({ name }) => !ofPrimary.has(name))
          .map(reading => this.#bounded(asOne(ofProcess(reading, String(worker))))),
      )
    return readTogether([this.#past, ...ofWorkers, own.map(reading => ofProcess(reading, 'primary'))])
  }

  #bounded(reading: Reading): Reading {
    if (!reading.samples.some(({ labels }) => labels?.method !== undefined)) return reading
    // Samples that have the same labels now are added up with those of other workers.
    return { ...reading, samples: reading.samples.map(sample => labelled(sample, labels => this.#known(labels))) }
  }

  #known(labels: Labels): Labels {
    const { method } = labels
    if (method === undefined || method === OTHER || this.#methods.has(method)) return labels
    if (this.#methods.size >= this.maxMethods) return { ...labels, method: OTHER }
    this.#methods.add(method)
    return labels
  }
}

/** There are as many workers as are configured, so their number may be a label. */
function ofProcess(reading: Reading, worker: string): Reading {
  if (!OF_A_PROCESS.test(reading.name)) return reading
  return { ...reading, samples: reading.samples.map(sample => labelled(sample, labels => ({ ...labels, worker }))) }
}

function asOne(reading: Reading): Reading {
  const together = OF_ENDPOINTS[reading.name]
  return together === undefined ? reading : { ...reading, together }
}

function labelled({ labels = {}, value }: Sample, change: (labels: Labels) => Labels): Sample {
  return { labels: change(labels), value }
}
