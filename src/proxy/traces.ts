/** Calls as parts of traces, by what is configured: who makes spans of them, and where these go. */
import { hostname } from 'node:os'
import type { Logger } from 'pino'
import type { CallObserver } from '../call/observer.ts'
import { hostTelemetry } from '../observe/host-telemetry.ts'
import { HostTracer } from '../observe/host-tracer.ts'
import { KnownMethods } from '../observe/known-methods.ts'
import { OtlpClient, type OtlpDestination } from '../observe/otlp-client.ts'
import { Propagation } from '../observe/propagation.ts'
import type { Family, MetricType } from '../observe/registry.ts'
import { keyValues } from '../observe/span.ts'
import { SpanExporter, type SpanExporterOptions } from '../observe/span-exporter.ts'
import { Tracer } from '../observe/tracer.ts'
import { WallClock } from '../observe/wall-clock.ts'
import { systemClock } from '../transport/clock.ts'
import { loopClock } from '../transport/turn.ts'
import type { TracesSetup } from './setup.ts'

/** The end of a proxy waits no longer for a collector. */
const FLUSH_MS = 3_000

export class Traces {
  readonly #log: Logger
  readonly #methods = new KnownMethods()
  readonly #wallClock = new WallClock(systemClock)
  /** Made when spans are first exported. It outlives a change of the configuration: calls that began before end later. */
  #exporter: SpanExporter | undefined
  #calls: CallObserver | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  /** Undefined: none are configured. */
  get calls(): CallObserver | undefined {
    return this.#calls
  }

  /** Without an exporter they have no samples. */
  readonly families: readonly Family[] = [
    this.#family('spans_exported', 'Spans that a collector has taken.', 'counter', ({ totals }) => totals.exported),
    this.#family('spans_dropped', 'Spans that no collector has taken.', 'counter', ({ totals }) => totals.dropped),
    this.#family('queued_spans', 'Spans that wait for a collector.', 'gauge', ({ queued }) => queued.spans),
  ]

  #family(name: string, help: string, type: MetricType, value: (exporter: SpanExporter) => number): Family {
    const samples = () => (this.#exporter === undefined ? [] : [{ value: value(this.#exporter) }])
    return { name: `grpc_verbatim_${name}`, help, type, samples }
  }

  /** @param methods paths of methods that are there */
  update(setup: TracesSetup | undefined, methods: Iterable<string>): void {
    this.#methods.know(methods)
    if (setup === undefined) this.#calls = undefined
    else this.#calls = setup.otlp === undefined ? this.#ofHost() : this.#own(setup, setup.otlp)
  }

  #ofHost(): CallObserver | undefined {
    const host = hostTelemetry()
    if (host === undefined) return undefined
    const onFault = (err: unknown): void => this.#log.error({ err }, "the host's OpenTelemetry failed")
    return new HostTracer(host, { methods: this.#methods, wallClock: this.#wallClock, clock: loopClock, onFault })
  }

  #own(setup: TracesSetup, otlp: OtlpDestination): CallObserver {
    const options = exporterOptions(setup, otlp)
    if (this.#exporter === undefined) this.#exporter = new SpanExporter(options, this.#exporterContext())
    else this.#exporter.update(options)
    return new Tracer({
      propagation: new Propagation(setup.propagate),
      sample: setup.sample,
      clock: loopClock,
      wallClock: this.#wallClock,
      random: Math.random,
      methods: this.#methods,
      sink: this.#exporter.add,
    })
  }

  #exporterContext() {
    return {
      clock: systemClock,
      random: Math.random,
      onTrouble: (why: string, dropped: number) =>
        this.#log.warn({ why, dropped }, 'the collector of traces does not take all spans'),
    }
  }

  async close(): Promise<void> {
    await this.#exporter?.close(FLUSH_MS)
  }
}

function exporterOptions({ queue, resource }: TracesSetup, otlp: OtlpDestination): SpanExporterOptions {
  const attributes = { 'host.name': hostname(), 'process.pid': process.pid, ...resource }
  const scope = JSON.stringify({ name: 'grpc-verbatim' })
  const before = `{"resourceSpans":[{"resource":${JSON.stringify({ attributes: keyValues(attributes) })},"scopeSpans":[{"scope":${scope},"spans":[`
  return { ...queue, destination: new OtlpClient(otlp, systemClock), envelope: [before, ']}]}]}'] }
}
