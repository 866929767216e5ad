/** Metrics for a collector, where they are configured to go to one. What does that is loaded then. */
import { hostname } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { counter } from '../observe/families.ts'
import type { MetricExporter } from '../observe/metric-exporter.ts'
import { OtlpClient } from '../observe/otlp-client.ts'
import type { Family, Reading } from '../observe/registry.ts'
import { systemClock } from '../transport/clock.ts'
import { nodeCrypto } from '../transport/node-tls.ts'
import type { MetricsExportSetup } from './setup.ts'

/** The end of a proxy waits no longer for a collector. */
const FLUSH_MS = 3_000

type Read = () => readonly Reading[] | Promise<readonly Reading[]>

export class MetricsExport {
  readonly #log: Logger
  readonly #read: Read
  #setup: MetricsExportSetup | undefined
  #exporter: MetricExporter | undefined
  /** The last of the setups that were given, one after the other. */
  #changes: Promise<void> | undefined
  #instanceId: string | undefined

  constructor(log: Logger, read: Read) {
    this.#log = log
    this.#read = read
  }

  /** Without an exporter they have no samples. */
  readonly families: readonly Family[] = [
    this.#family('metric_readings_exported', 'Readings of the metrics that a collector took.', e => e.totals.exported),
    this.#family('metric_readings_dropped', 'Readings that no collector took as a whole.', e => e.totals.dropped),
    this.#family(
      'metric_points_rejected',
      'Points that a collector did not want, of readings that it took.',
      ({ totals }) => totals.rejectedPoints,
    ),
  ]

  #family(name: string, help: string, value: (exporter: MetricExporter) => number): Family {
    return counter(`grpc_verbatim_${name}`, help, () => (this.#exporter === undefined ? [] : value(this.#exporter)))
  }

  /** Undefined: they go nowhere. */
  update(setup: MetricsExportSetup | undefined): void {
    if (isDeepStrictEqual(setup, this.#setup)) return
    this.#setup = setup
    const change = () => this.#change(setup)
    this.#changes = this.#changes === undefined ? change() : this.#changes.then(change)
  }

  async #change(setup: MetricsExportSetup | undefined): Promise<void> {
    this.#exporter ??= await this.#load()
    this.#exporter.update(
      setup && {
        intervalMs: setup.intervalMs,
        destination: new OtlpClient(setup.otlp, systemClock),
        resource: this.#resourceOf(setup),
      },
    )
  }

  async #load(): Promise<MetricExporter> {
    const { MetricExporter } = await import('../observe/metric-exporter.ts')
    return new MetricExporter({
      clock: systemClock,
      date: Date.now,
      startMs: performance.timeOrigin,
      read: this.#read,
      onTrouble: trouble => this.#log.warn(trouble, 'the collector of metrics does not take all of them'),
    })
  }

  /** Series of several proxies with one name differ by the id of the instance, which is random ("Semantic Conventions", "Service"). */
  #resourceOf({ resource }: MetricsExportSetup) {
    this.#instanceId ??= nodeCrypto().randomUUID()
    const own = { 'host.name': hostname(), 'process.pid': process.pid, 'service.instance.id': this.#instanceId }
    return { ...own, ...resource }
  }

  async close(): Promise<void> {
    await this.#changes
    await this.#exporter?.close(FLUSH_MS)
  }
}
