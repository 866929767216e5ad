/** Who is told of calls, by what is configured. */
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { RelayContext } from '../call/context.ts'
import { type CallObserver, oneObserver } from '../call/observer.ts'
import { accessLog } from '../observe/access-log.ts'
import { createAccessLogger } from '../observe/logger.ts'
import { outputOf } from '../observe/outputs.ts'
import { type RecentFailure, RecentFailures } from '../observe/recent-failures.ts'
import type { Reading } from '../observe/registry.ts'
import { Repeats } from '../observe/repeats.ts'
import { systemClock } from '../transport/clock.ts'
import { accessFileOf } from './change-summary.ts'
import { methodsOf, ProxyMetrics } from './metrics.ts'
import { MetricsExport } from './metrics-export.ts'
import type { ProxySetup } from './setup.ts'
import { Traces } from './traces.ts'

export class Observers {
  /** Of the records of calls: the same, or one of their own. */
  readonly #accessLogger: Logger
  /** The same for lines of text. */
  readonly #writeText: (line: string) => void
  /** Bounds the lines that others cause. */
  readonly repeats: Repeats
  #setup: ProxySetup
  /** Undefined: none are configured. */
  #metrics: ProxyMetrics | undefined
  /** Undefined: nobody could see them. */
  #failures: RecentFailures | undefined
  readonly #traces: Traces
  readonly #export: MetricsExport

  /** @param read all metrics, where there are some */
  constructor(setup: ProxySetup, log: Logger, read: () => Reading[]) {
    const file = accessFileOf(setup)
    this.#accessLogger = file === undefined ? log : createAccessLogger(file, setup.log)
    this.#writeText = textWriter(setup, log)
    this.repeats = new Repeats(log, systemClock)
    this.#setup = setup
    this.#traces = new Traces(log)
    this.#traces.update(setup.traces, methodsOf(setup.routes))
    this.#export = new MetricsExport(log, read)
    this.#measure(setup)
    this.#export.update(setup.metricsExport)
    this.#keepFailures(setup)
  }

  /** @throws Error where none are configured */
  get metrics(): ProxyMetrics {
    if (this.#metrics === undefined) throw new Error('the proxy has no metrics: its options need `metrics: true`')
    return this.#metrics
  }

  /** For calls that begin from now on: all of them as one. Undefined: nobody is told. */
  get ofCalls(): Pick<RelayContext, 'observer' | 'latency'> {
    // Whether a trace is kept is known to those behind.
    const observer = oneObserver([this.#traces.calls, this.#accessLog(), this.#metrics?.calls, this.#failures])
    return { observer, latency: this.#metrics?.latency }
  }

  /** Another configuration. What was counted goes on, unless it is counted in another way now. */
  update(setup: ProxySetup): void {
    if (isDeepStrictEqual(setup.metrics, this.#setup.metrics)) this.#metrics?.know(setup.routes)
    else this.#measure(setup)
    this.#export.update(setup.metricsExport)
    this.#keepFailures(setup)
    if (!isDeepStrictEqual(setup.traces, this.#setup.traces)) this.#traces.update(setup.traces, methodsOf(setup.routes))
    this.#setup = setup
  }

  #measure({ metrics, routes }: ProxySetup): void {
    this.#metrics?.close()
    this.#metrics = metrics && new ProxyMetrics(metrics, routes, [...this.#traces.families, ...this.#export.families])
  }

  #keepFailures({ recentFailures }: ProxySetup): void {
    this.#failures = recentFailures === true ? (this.#failures ?? new RecentFailures()) : undefined
  }

  /** The latest calls that failed. */
  failures(most: number): readonly RecentFailure[] {
    return this.#failures?.latest(most) ?? []
  }

  #accessLog(): CallObserver | undefined {
    const { access } = this.#setup.log
    const context = { log: this.#accessLogger, repeats: this.repeats, random: Math.random, write: this.#writeText }
    return access === false ? undefined : accessLog(access === true ? {} : access, context)
  }

  async close(): Promise<void> {
    this.#metrics?.close()
    this.repeats.close()
    await Promise.all([this.#traces.close(), this.#export.close()])
  }
}

/** To the destination of the log that the records are in. A logger of the user's own has one that nobody else knows. */
function textWriter(setup: ProxySetup, log: Logger): (line: string) => void {
  const file = accessFileOf(setup)
  if (file === undefined && setup.logger !== undefined) return line => log.info(line.trimEnd())
  return line => outputOf(file ?? setup.log.file, setup.log.maxBufferedBytes).destination.write(line)
}
