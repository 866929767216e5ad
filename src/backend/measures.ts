/** What happens at a backend besides its calls, counted. Each costs something only when it happens. */
import { type ConnectFailureKind, connectFailureOf } from '../transport/connect-failure.ts'
import { Histogram } from '../transport/histogram.ts'
import type { EndpointEvent } from './endpoint-options.ts'

/** From one within a machine to the longest that anybody waits, in steps of some 2 to 2.5. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/**
 * Why a call was sent again. The backend had not processed it: it refused its stream, or the session went without it. Or
 * the call's retry policy asked for it: for a status, a stream that broke before an answer, an attempt that took too
 * long, or a backend that could not be reached. Or it was hedged: no attempt was answered in time.
 */
export type RetryReason = 'stream-refused' | 'session-gone' | 'hedged' | PolicyRetryReason
export type PolicyRetryReason = 'status' | 'broken' | 'attempt-timeout' | 'unreachable'

/**
 * Why a call was not tried again, though its status is one for that: the backend said so, it was tried often enough, its
 * request is not kept, too many fail already, its time would be over before, or so many calls are hedged already.
 */
export type RetryDenial = 'pushback' | 'attempts' | 'request-too-large' | 'budget' | 'deadline' | 'hedges-in-flight'

/**
 * What became of an attempt beside those that a call had: its answer went to the client; that of another did; it failed, and
 * another was left; nobody waited any more, as the client left or the time was over; or it was not sent, as there was no room
 * for it or its call was answered before.
 */
export type HedgeOutcome = 'answered' | 'too-late' | 'failed' | 'given-up' | 'unsent'

type EndpointLog = (event: EndpointEvent, endpoint: string, detail: string) => void

interface Logging {
  readonly log?: EndpointLog
}

export class BackendMeasures {
  /** How long calls waited in the queue that had to. */
  readonly queueSeconds = new Histogram(SECONDS)
  /** From the first packet to the endpoint's SETTINGS, with the TLS handshake where there is one. */
  readonly connectSeconds = new Histogram(SECONDS)
  readonly connectFailures = new Map<ConnectFailureKind, number>()
  readonly events = new Map<EndpointEvent, number>()
  readonly retries = new Map<RetryReason, number>()
  /** Calls that were not sent again because so many are already (`breaker.maxRetries`). */
  deniedRetries = 0
  /** Calls that got no place in the queue, or waited there too long, while `breaker.maxCalls` others had a stream. */
  refusedByBreaker = 0
  /** By a retry policy. */
  readonly endedRetries = new Map<RetryDenial, number>()
  readonly hedges = new Map<HedgeOutcome, number>()

  /** What a backend is given, with which everything is counted here before the log is told. */
  within({ log }: Logging): Required<Logging> & { readonly measures: BackendMeasures } {
    const counted: EndpointLog = (event, endpoint, detail) => {
      add(this.events, event)
      if (event === 'connect-failed') add(this.connectFailures, connectFailureOf(detail).kind)
      log?.(event, endpoint, detail)
    }
    return { log: counted, measures: this }
  }

  retried(reason: RetryReason): void {
    add(this.retries, reason)
  }

  hedged(outcome: HedgeOutcome): void {
    add(this.hedges, outcome)
  }

  notRetried(why: RetryDenial): void {
    add(this.endedRetries, why)
  }
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
