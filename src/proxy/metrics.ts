/** What a proxy tells Prometheus: its calls, what is open, and its process. Made only where metrics are configured. */
import type { BackendState } from '../backend/backend-state.ts'
import { CallMetrics, type CallMetricsOptions } from '../observe/call-metrics.ts'
import { ProcessMetrics } from '../observe/process-metrics.ts'
import { type Family, type Labels, type MetricType, type Reading, readingOf } from '../observe/registry.ts'
import type { Route } from '../routing/router.ts'
import { certificateFamily } from './certificate-term.ts'
import type { ProxySetup } from './setup.ts'
import { COUNTS_ONLY, type OpenCounts, type ProxyState, type StateOptions } from './state.ts'

/** What of a proxy is looked at when somebody reads. */
export interface Measured {
  state(options: StateOptions): ProxyState
  violations(): Readonly<Record<string, number>>
  droppedLogLines(): number
  readonly setup: Pick<ProxySetup, 'certificates'>
  /** Calls that there ever were. */
  readonly startedCalls: number
}

export class ProxyMetrics {
  readonly calls: CallMetrics
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

  read(proxy: Measured): Reading[] {
    const { counts, backends } = proxy.state(COUNTS_ONLY)
    const open = [...openFamilies(proxy, counts), ...backendFamilies(backends)]
    const certificates = certificateFamily(proxy.setup.certificates)
    return readingOf([...this.calls.families, ...open, certificates, ...this.#more, ...this.#process.families])
  }

  close(): void {
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

function openFamilies(proxy: Measured, counts: OpenCounts): Family[] {
  const gauge = (name: string, help: string, value: number): Family => ({
    name: `grpc_verbatim_${name}`,
    help,
    type: 'gauge',
    samples: () => [{ value }],
  })
  return [
    {
      name: 'grpc_verbatim_calls_started',
      help: 'Calls that have begun: those that are over, and those in flight.',
      type: 'counter',
      samples: () => [{ value: proxy.startedCalls }],
    },
    gauge('calls_in_flight', 'Calls that are not over.', counts.calls),
    gauge(
      'client_connections',
      'Connections of clients, those among them that are not HTTP/2 yet.',
      counts.clientConnections,
    ),
    gauge('client_sessions', 'HTTP/2 sessions of clients.', counts.clientSessions),
    gauge('backend_sessions', 'HTTP/2 sessions to endpoints.', counts.backendSessions),
    gauge('backend_streams', 'Streams open on them.', counts.backendStreams),
    gauge('queued_calls', 'Calls that wait for a session or a stream.', counts.waitingCalls),
    {
      name: 'grpc_verbatim_violations',
      help: 'How often peers broke a rule of HTTP/2 or a limit against floods.',
      type: 'counter',
      samples: () => byLabel('token', proxy.violations()),
    },
    {
      name: 'grpc_verbatim_dropped_log_lines',
      help: 'Lines of the log that standard output did not take.',
      type: 'counter',
      samples: () => [{ value: proxy.droppedLogLines() }],
    },
  ]
}

/**
 * By the names of backends: there are as many as the configuration has, and those of a director. One that has been removed may
 * finish its calls beside another of its name: they are one here.
 */
function backendFamilies(backends: readonly BackendState[]): Family[] {
  const byName = Map.groupBy(backends, ({ name }) => name)
  const family = (type: MetricType, name: string, help: string, value: (backend: BackendState) => number): Family => ({
    ...{ name: `grpc_verbatim_backend_${name}`, help, type },
    samples: () =>
      [...byName].map(([backend, same]) => ({
        labels: { backend },
        value: same.reduce((sum, each) => sum + value(each), 0),
      })),
  })
  return [
    family('gauge', 'calls_in_flight', 'Calls that have a stream.', ({ calls }) => calls),
    family('gauge', 'queued_calls', 'Calls that wait for a session or a stream.', ({ waiting }) => waiting),
    family('gauge', 'open_sessions', 'HTTP/2 sessions.', ({ sessions }) => sessions),
    family(
      'gauge',
      'endpoints',
      'Endpoints, with those that have left and finish.',
      ({ endpointCount }) => endpointCount,
    ),
    family('gauge', 'usable_endpoints', 'Endpoints that nothing speaks against.', ({ usableCount }) => usableCount),
    family('counter', 'attempts', 'Streams that were opened for calls.', ({ totals }) => totals.calls),
    family(
      'counter',
      'broken_attempts',
      'Of them, those that were reset, refused or lost.',
      ({ totals }) => totals.broken,
    ),
    family('counter', 'connects', 'Sessions that became ready.', ({ totals }) => totals.connects),
    family('counter', 'connect_failures', 'Attempts to connect that failed.', ({ totals }) => totals.connectFailures),
  ]
}

function byLabel(label: string, values: Readonly<Record<string, number>>): { labels: Labels; value: number }[] {
  return Object.entries(values).map(([text, value]) => ({ labels: { [label]: text }, value }))
}
