/**
 * Backends as metrics, by their names: there are as many as the configuration has, and those of a director. One that has been
 * removed may finish its calls beside another of its name: they are one here.
 */
import type { Backend } from '../backend/backend.ts'
import { isUsable } from '../backend/backend-state.ts'
import { boundsOf } from '../backend/breaker.ts'
import type { Endpoint } from '../backend/endpoint.ts'
import { Totals } from '../backend/endpoint-totals.ts'
import type { BackendMeasures } from '../backend/measures.ts'
import { byLabel, counter, gauge, histogram } from '../observe/families.ts'
import type { Family, Labels, Sample } from '../observe/registry.ts'

const PREFIX = 'grpc_verbatim_backend_'

/** What a backend tells, gathered in one walk over its endpoints. */
interface Told {
  readonly labels: Labels
  readonly backend: Backend
  readonly measures: BackendMeasures
  readonly totals: Totals
  readonly calls: number
  readonly sessions: number
  readonly endpoints: number
  readonly usable: number
  /** Endpoints by what speaks against them, which may be several things of one, and by the state of their sessions. */
  readonly unusable: ReadonlyMap<string, number>
  readonly states: ReadonlyMap<string, number>
}

/** All are told, so that an alert finds a 0. */
const REASONS = ['health', 'outlier', 'connect', 'weight', 'retiring']
const STATES = ['idle', 'connecting', 'ready', 'backoff', 'closed']

function tell(backend: Backend): Told {
  const { set, shared } = backend
  const totals = new Totals()
  totals.add(set.totalsOfGone)
  const unusable = new Map(REASONS.map(reason => [reason, 0]))
  const states = new Map(STATES.map(state => [state, 0]))
  let [calls, sessions, endpoints, usable] = [0, 0, 0, 0]
  for (const endpoint of [...set.all, ...set.leaving]) {
    endpoints++
    totals.add(endpoint.totals)
    calls += endpoint.inFlight
    sessions += endpoint.sessionCount
    states.set(endpoint.state, states.get(endpoint.state)! + 1)
    if (isUsable(endpoint)) usable++
    else for (const reason of reasonsOf(endpoint)) unusable.set(reason, unusable.get(reason)! + 1)
  }
  const labels = { backend: backend.name }
  return { labels, backend, measures: shared.measures, totals, calls, sessions, endpoints, usable, unusable, states }
}

function* reasonsOf(endpoint: Endpoint): Iterable<string> {
  yield* endpoint.bars.keys()
  if (endpoint.failing) yield 'connect'
  if (endpoint.spec.weight === 0) yield 'weight'
  if (endpoint.retiring) yield 'retiring'
}

type Each = (value: (told: Told) => Sample['value']) => () => Sample[]
type By = (label: string, values: (told: Told) => Iterable<readonly [string, number]>) => () => Sample[]

/** Where two have one name there are two samples with the same labels, to be added up (`readTogether`). */
export function backendFamilies(backends: readonly Backend[]): Family[] {
  const all = backends.map(tell)
  const each: Each = value => () => all.map(told => ({ labels: told.labels, value: value(told) }))
  const by: By = (label, values) => () => all.flatMap(told => byLabel(label, values(told), told.labels))
  return [...presentFamilies(each, by), ...countedFamilies(each, by)]
}

function presentFamilies(each: Each, by: By): Family[] {
  const now = (name: string, help: string, samples: () => Sample[]) => gauge(`${PREFIX}${name}`, help, samples)
  const bounds = ({ settings, shared, sessions }: Backend) => boundsOf(settings.breaker ?? {}, shared, sessions)
  return [
    now(
      'calls_in_flight',
      'Calls that have a stream.',
      each(({ calls }) => calls),
    ),
    now(
      'queued_calls',
      'Calls that wait for a session or a stream.',
      each(({ backend }) => backend.waiting),
    ),
    now(
      'open_sessions',
      'HTTP/2 sessions.',
      each(({ sessions }) => sessions),
    ),
    now(
      'endpoints',
      'Endpoints, with those that have left and finish.',
      each(({ endpoints }) => endpoints),
    ),
    now(
      'usable_endpoints',
      'Endpoints that nothing speaks against.',
      each(({ usable }) => usable),
    ),
    now(
      'unusable_endpoints',
      'Endpoints by what speaks against them: a health check, how calls ended there (outlier), that they cannot be reached (connect), their weight, or that they have left (retiring).',
      by('reason', ({ unusable }) => unusable),
    ),
    now(
      'endpoint_states',
      'Endpoints by the state of their sessions.',
      by('state', ({ states }) => states),
    ),
    now(
      'breaker_used',
      'What all calls together use of what the breaker bounds.',
      by('of', ({ backend }) => bounds(backend).map(({ of, used }) => [of, used] as const)),
    ),
    now(
      'breaker_limit',
      'The bound. Where it is reached the breaker is open.',
      by('of', ({ backend }) => bounds(backend).map(({ of, max }) => [of, max] as const)),
    ),
  ]
}

function countedFamilies(each: Each, by: By): Family[] {
  const counted = (name: string, help: string, samples: () => Sample[]) => counter(`${PREFIX}${name}`, help, samples)
  return [
    counted(
      'attempts',
      'Streams that were opened for calls.',
      each(({ totals }) => totals.calls),
    ),
    counted(
      'broken_attempts',
      'Of them, those that were reset, refused or lost.',
      each(({ totals }) => totals.broken),
    ),
    counted(
      'retries',
      'Calls that were sent again, by reason: the backend had not processed them (stream-refused, session-gone), or a policy asked for it (status, broken, attempt-timeout, unreachable; hedged: no answer within the delay).',
      by('reason', ({ measures }) => measures.retries),
    ),
    counted(
      'denied_retries',
      'Calls that were not sent again because so many are already (breaker.maxRetries).',
      each(({ measures }) => measures.deniedRetries),
    ),
    counted(
      'breaker_refused_calls',
      'Calls that found no place in the queue, or waited there too long, while so many calls had a stream as breaker.maxCalls allows.',
      each(({ measures }) => measures.refusedByBreaker),
    ),
    counted(
      'ended_retries',
      'Calls that were not sent again though their policy has it, by why.',
      by('why', ({ measures }) => measures.endedRetries),
    ),
    counted(
      'hedges',
      'Further attempts of hedged calls by outcome: the answer went to the client (answered), another did (too-late), it failed and another was left (failed), the client left or the time was over (given-up), it was not sent (unsent).',
      by('outcome', ({ measures }) => measures.hedges),
    ),
    counted(
      'connects',
      'Sessions that became ready.',
      each(({ totals }) => totals.connects),
    ),
    counted(
      'connect_failures',
      'Attempts to connect that failed, and sessions that were of no use, by kind.',
      by('kind', ({ measures }) => measures.connectFailures),
    ),
    counted(
      'endpoint_events',
      'What happened at endpoints, as the log tells it: ejected, unhealthy, draining (GOAWAY came), closed and so on.',
      by('event', ({ measures }) => measures.events),
    ),
    histogram(
      `${PREFIX}connect_duration_seconds`,
      "From the first packet to the endpoint's SETTINGS, with the TLS handshake.",
      each(({ measures }) => measures.connectSeconds),
    ),
    histogram(
      `${PREFIX}queue_duration_seconds`,
      'How long calls waited for a session or a stream, of those that had to wait beyond the turn of the loop in which they came.',
      each(({ measures }) => measures.queueSeconds),
    ),
  ]
}
