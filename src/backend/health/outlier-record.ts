/** What is known of one endpoint for outlier ejection: its calls in this interval and the one before, and its ejections. */
import { Status } from '../../grpc/status.ts'
import type { Clock } from '../../transport/clock.ts'
import type { ClientShare } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Outcome, OutcomeListener } from '../outcome.ts'
import type { Crowd } from './crowd.ts'
import type { Rated } from './rates.ts'
import { Voters } from './voters.ts'

/** Calls that a connection loses when it ends are lost at one moment: in a run of failures that is one. */
const LOST_TOGETHER_MS = 100

export interface RecordOptions {
  /** Which statuses are failures. */
  readonly failures: ReadonlySet<number>
  /** So many failures in a row are told; 0: none are. */
  readonly consecutive: number
}

export interface RecordContext {
  readonly clock: Clock
  readonly crowd: Crowd
  /** So many calls in a row failed, and most clients have seen it. */
  onRun(record: OutlierRecord, count: number, lastStatus: number): void
}

export class OutlierRecord implements OutcomeListener {
  readonly endpoint: Endpoint
  readonly #options: RecordOptions
  readonly #context: RecordContext
  #voters: Voters
  #before: Voters
  #run = 0
  #lostMs = Number.NEGATIVE_INFINITY
  /** Connects that failed in a row, while there was no other session. */
  failedConnects = 0
  /** It is ejected until this time of the clock. */
  ejectedUntilMs: number | undefined
  /** It cannot be reached, so that ejecting it takes nothing from calls. */
  unreachable = false
  /** How many times the base time it is ejected for the next time, less one. */
  ejections = 0

  constructor(endpoint: Endpoint, options: RecordOptions, context: RecordContext) {
    this.endpoint = endpoint
    this.#options = options
    this.#context = context
    this.#voters = new Voters(context.crowd)
    this.#before = new Voters(context.crowd)
  }

  onEnd(outcome: Outcome): void {
    // What its client gives up, or the proxy for it, says nothing about the endpoint; nor does a refusal: it is tried again.
    if (outcome.by !== 'backend' || outcome.refused) return
    const failed = this.#options.failures.has(outcome.status)
    this.#voters.count(outcome.share as ClientShare, failed)
    if (!failed) this.#run = this.failedConnects = 0
    else if (!this.#isLostWithOthers(outcome)) this.#failed(outcome.status)
  }

  #isLostWithOthers({ status, trailers }: Outcome): boolean {
    if (trailers !== undefined || status !== Status.UNAVAILABLE) return false
    const now = this.#context.clock.now()
    if (now - this.#lostMs < LOST_TOGETHER_MS) return true
    this.#lostMs = now
    return false
  }

  #failed(status: number): void {
    const { consecutive } = this.#options
    // Once for each such number: who fails a thousand times a second must not have all voters counted as often.
    if (consecutive === 0 || ++this.#run % consecutive !== 0 || this.ejectedUntilMs !== undefined) return
    if (this.#voters.mostFailed(this.#before)) this.#context.onRun(this, this.#run, status)
  }

  /** What its calls of this interval were like. Who has too few of them is not worked out. */
  get rated(): Rated<OutlierRecord> {
    const voters = this.#voters
    let successRate: number | undefined
    return {
      subject: this,
      get successRate() {
        successRate ??= voters.successRate
        return successRate
      },
      volume: enough => voters.volume(enough),
    }
  }

  /** The interval ends. */
  turnOver(): void {
    if (this.ejectedUntilMs !== undefined) return
    this.#before = this.#voters
    this.#voters = new Voters(this.#context.crowd)
  }

  /**
   * Its ejection is over. The failures of before do not count any more. Who called before does: otherwise one client that
   * fails all the time would be the first, and the only one, to say how it is now.
   */
  readmitted(): void {
    this.#voters.forgive(this.#before)
    this.#before = this.#voters
    this.#voters = new Voters(this.#context.crowd)
    this.#run = this.failedConnects = 0
  }
}
