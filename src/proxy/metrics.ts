/** What a proxy tells Prometheus: its calls, what is open, and its process. Made only where metrics are configured. */
import { readFileSync } from 'node:fs'
import type { Fleet } from '../backend/fleet.ts'
import type { LiveCalls } from '../call/live-calls.ts'
import { CallMetrics, type CallMetricsOptions } from '../observe/call-metrics.ts'
import { byLabel, counter, gauge, histogram } from '../observe/families.ts'
import { OwnLatency } from '../observe/own-latency.ts'
import { ProcessMetrics } from '../observe/process-metrics.ts'
import { type Family, type Reading, readingOf } from '../observe/registry.ts'
import { readTogether } from '../observe/together.ts'
import type { Route } from '../routing/router.ts'
import { backendFamilies } from './backend-families.ts'
import type { Carriers } from './carriers.ts'
import { certificateFamily } from './certificate-term.ts'
import type { ClientCounts } from './client-counts.ts'
import type { ConfigurationRecord } from './configuration-record.ts'
import { type Gated, gateFamilies } from './gate-families.ts'
import { sessionFamilies } from './session-families.ts'
import type { ProxySetup } from './setup.ts'
import type { OpenCounts } from './state.ts'

/** A director may make more, and each is some hundred lines. */
const MOST_BACKENDS = 1_000

/** What of a proxy is looked at when somebody reads. */
export interface Measured {
  counts(): OpenCounts
  readonly fleet: Fleet
  readonly clients: ClientCounts
  readonly configuration: ConfigurationRecord
  violations(): Readonly<Record<string, number>>
  droppedLogLines(): number
  readonly setup: Pick<ProxySetup, 'certificates'> & Gated
}

export class ProxyMetrics {
  readonly calls: CallMetrics
  readonly latency = new OwnLatency()
  readonly #process = new ProcessMetrics()
  readonly #more: readonly Family[]

  /** @param more of others, to be told too */
  constructor(options: CallMetricsOptions, routes: readonly Route[], more: readonly Family[] = []) {
    this.#more = more
    this.calls = new CallMetrics(options, methodsOf(routes))
  }

  /** Methods that routes name have series from now on. */
  know(routes: readonly Route[]): void {
    this.calls.know(methodsOf(routes))
  }

  read(proxy: Measured, live: LiveCalls, carriers: Carriers): Reading[] {
    const backends = readingOf(backendFamilies(proxy.fleet.all.slice(0, MOST_BACKENDS)))
    return [
      ...readingOf([
        ...this.calls.families,
        latencyFamily(this.latency),
        ...openFamilies(proxy, live, proxy.counts()),
        ...sessionFamilies(proxy.clients, carriers),
      ]),
      ...readTogether([backends, readingOf(gateFamilies(proxy.setup))]),
      ...readingOf([
        ...configurationFamilies(proxy.configuration),
        certificateFamily(proxy.setup.certificates),
        ...this.#more,
        ...this.#process.families,
      ]),
    ]
  }

  close(): void {
    this.latency.close()
    this.#process.close()
  }
}

/** Paths of methods that are named in full. */
export function* methodsOf(routes: readonly Route[]): Iterable<string> {
  for (const { match = {} } of routes) {
    for (const service of [match.service ?? []].flat()) {
      if (service.endsWith('*')) continue
      for (const method of [match.method ?? []].flat()) yield `/${service}/${method}`
    }
  }
}

function openFamilies(proxy: Measured, live: LiveCalls, counts: OpenCounts): Family[] {
  return [
    counter(
      'grpc_verbatim_calls_started',
      'Calls that have begun: those that are over, and those in flight.',
      () => live.started,
    ),
    gauge('grpc_verbatim_calls_in_flight', 'Calls that are not over.', () => counts.calls),
    gauge(
      'grpc_verbatim_client_connections',
      'Connections of clients, those among them that are not HTTP/2 yet.',
      () => counts.clientConnections,
    ),
    gauge('grpc_verbatim_client_sessions', 'HTTP/2 sessions of clients.', () => counts.clientSessions),
    gauge('grpc_verbatim_backend_sessions', 'HTTP/2 sessions to endpoints.', () => counts.backendSessions),
    gauge('grpc_verbatim_backend_streams', 'Streams open on them.', () => counts.backendStreams),
    gauge('grpc_verbatim_queued_calls', 'Calls that wait for a session or a stream.', () => counts.waitingCalls),
    counter('grpc_verbatim_violations', 'How often peers broke a rule of HTTP/2 or a limit against floods.', () =>
      byLabel('token', Object.entries(proxy.violations())),
    ),
    counter('grpc_verbatim_dropped_log_lines', 'Lines of the log that standard output or a file did not take.', () =>
      proxy.droppedLogLines(),
    ),
  ]
}

function latencyFamily({ request, response }: OwnLatency): Family {
  return histogram(
    'grpc_verbatim_own_latency_seconds',
    'How long the proxy itself takes with the headers of requests and of responses: from when it begins to read to when it has written, without the time in the queue.',
    () => [
      { labels: { direction: 'request' }, value: request.seconds },
      { labels: { direction: 'response' }, value: response.seconds },
    ],
  )
}

export function configurationFamilies({ version, changedSeconds, verdicts, last }: ConfigurationRecord): Family[] {
  return [
    gauge(
      'grpc_verbatim_configuration_version',
      'How often the configuration has changed since the start, from 1 on.',
      () => version,
      'least',
    ),
    gauge(
      'grpc_verbatim_configuration_change_timestamp_seconds',
      'When the configuration that is in force came into force, since the epoch.',
      () => changedSeconds,
      'least',
    ),
    counter(
      'grpc_verbatim_configuration_reloads',
      'How often the configuration was read again, by what became of it.',
      () => byLabel('verdict', Object.entries(verdicts)),
    ),
    gauge(
      'grpc_verbatim_configuration_last_reload_successful',
      'Whether the last configuration that was read again could be used, 1 or 0; 1 before the first time.',
      () => (last?.kind === 'rejected' ? 0 : 1),
      'least',
    ),
    gauge(
      'grpc_verbatim_configuration_last_reload_timestamp_seconds',
      'When the configuration was last read again, since the epoch.',
      () => (last === undefined ? [] : last.atSeconds),
      'greatest',
    ),
    gauge(
      'grpc_verbatim_build_info',
      'Always 1; the labels say what runs.',
      () => [{ labels: { version: ownVersion(), node: process.version }, value: 1 }],
      'greatest',
    ),
  ]
}

let knownVersion: string | undefined

function ownVersion(): string {
  knownVersion ??= String(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version)
  return knownVersion
}
