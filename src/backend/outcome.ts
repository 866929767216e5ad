/**
 * How attempts at an endpoint end, for whoever judges endpoints by that: balancers that look at latency or reported load,
 * outlier ejection, adaptive limits. Where nothing of the kind is configured an endpoint has no `Outcomes`, and no clock is
 * read for its calls.
 */
import { Status } from '../grpc/status.ts'
import type { Clock } from '../transport/clock.ts'
import type { HeaderBlock } from '../transport/transport.ts'

/** How one attempt ended. */
export interface Outcome {
  /** The `grpc-status`, or what the end of the stream means. */
  readonly status: number
  /** From the opening of the stream to its end. */
  readonly latencyMs: number
  /** From the opening of the stream to the first headers of the response; -1: none came. */
  readonly headersMs: number
  /** When it ended, by the clock, which need not be read again. */
  readonly endMs: number
  /**
   * Who ended it: the backend with its answer or by giving up the stream, the client by leaving, or the proxy: because a
   * deadline passed (DEADLINE_EXCEEDED), or for a reason that says nothing about the endpoint.
   */
  readonly by: 'backend' | 'client' | 'proxy'
  /** The backend promises that it did not process the request. Such an attempt is made again elsewhere. */
  readonly refused: boolean
  /** The last block of the response, where there was one. */
  readonly trailers: HeaderBlock | undefined
  /** Its client's share of the backend: by it clients are told apart. */
  readonly share: object
}

/** Told of the attempts at one endpoint. */
export interface OutcomeListener {
  /**
   * The first headers of a response came, so long after the stream was opened.
   * @param share its client's share of the backend
   * @param whole the headers are the whole response: mostly an error
   * @param nowMs by the clock
   */
  onHeaders?(latencyMs: number, share: object, whole: boolean, nowMs: number): void
  /** Once for each attempt. The outcome is lent: it is valid during the call. */
  onEnd?(outcome: Outcome): void
}

/** Those who listen to the attempts at one endpoint. */
export class Outcomes {
  readonly clock: Clock
  readonly listeners: readonly OutcomeListener[]

  constructor(clock: Clock, listeners: readonly OutcomeListener[]) {
    this.clock = clock
    this.listeners = listeners
  }

  /** An attempt begins now. */
  begin(share: object): ObservedAttempt {
    return new ObservedAttempt(this, share)
  }
}

/** One attempt that somebody listens to. It is its own outcome, so nothing is made when it ends. */
export class ObservedAttempt implements Outcome {
  readonly share: object
  status = -1
  latencyMs = 0
  headersMs = -1
  endMs = 0
  by: Outcome['by'] = 'backend'
  refused = false
  trailers: HeaderBlock | undefined
  readonly #outcomes: Outcomes
  readonly #startMs: number
  /** It has been told how it ended. */
  over = false

  constructor(outcomes: Outcomes, share: object) {
    this.#outcomes = outcomes
    this.share = share
    this.#startMs = outcomes.clock.now()
  }

  /** @param whole nothing comes behind them */
  onHeaders(whole: boolean): void {
    if (this.headersMs !== -1) return
    const { clock, listeners } = this.#outcomes
    const nowMs = clock.now()
    const latencyMs = nowMs - this.#startMs
    this.headersMs = latencyMs
    for (let i = 0; i < listeners.length; i++) listeners[i]!.onHeaders?.(latencyMs, this.share, whole, nowMs)
  }

  /** The backend answered. @param status -1 where its response had none */
  answered(status: number, trailers: HeaderBlock | undefined): void {
    this.trailers = trailers
    this.#end('backend', status === -1 ? Status.UNKNOWN : status)
  }

  /** The stream ended without a whole response. */
  ended(by: Outcome['by'], status: number, refused = false): void {
    this.refused = refused
    this.#end(by, status)
  }

  #end(by: Outcome['by'], status: number): void {
    if (this.over) return
    this.over = true
    this.by = by
    this.status = status
    const { clock, listeners } = this.#outcomes
    this.endMs = clock.now()
    this.latencyMs = this.endMs - this.#startMs
    for (let i = 0; i < listeners.length; i++) listeners[i]!.onEnd?.(this)
    this.trailers = undefined
  }
}
