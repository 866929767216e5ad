/**
 * What an endpoint has reported of its load, and the weight that follows from it (gRFC A58): the calls a second that it
 * would carry at full load, less where calls fail.
 */
import { LOAD_REPORT_FIELD, type LoadReport, type ReportFault, readLoadReport } from '../../grpc/load-report.ts'
import { firstValue } from '../../grpc/metadata.ts'
import type { Outcome, OutcomeListener } from '../outcome.ts'

export interface ReportSettings {
  /** A weight holds only once reports have come for so long. */
  readonly blackoutMs: number
  /** Without reports for so long an endpoint has no weight of its own. */
  readonly expirationMs: number
  /** How often weights follow from what was reported. */
  readonly updateMs: number
  /** How much failed calls add to the load: with 1, a tenth of failed calls are a tenth of all that it can do. */
  readonly errorPenalty: number
}

/** Reports come with each call. One that is not older than this part of the time between updates is new enough. */
const READ_PART = 1 / 10

export class ReportedLoad implements OutcomeListener {
  readonly #settings: ReportSettings
  readonly #onFault: (fault: ReportFault) => void
  #weight = 0
  #readMs = Number.NEGATIVE_INFINITY
  /** When the first and the last report of those came that hold; undefined: there is none. */
  #sinceMs: number | undefined
  #lastMs = 0

  constructor(settings: ReportSettings, onFault: (fault: ReportFault) => void) {
    this.#settings = settings
    this.#onFault = onFault
  }

  onEnd({ by, trailers, endMs }: Outcome): void {
    if (by !== 'backend' || trailers === undefined || endMs - this.#readMs < this.#settings.updateMs * READ_PART) return
    const text = firstValue(trailers, LOAD_REPORT_FIELD)
    if (text === undefined) return
    this.#readMs = endMs
    const report = readLoadReport(text)
    if (typeof report === 'string') this.#onFault(report)
    else this.#reported(report, endMs)
  }

  #reported({ utilization, callsPerSecond, errorsPerSecond }: LoadReport, nowMs: number): void {
    if (utilization === 0 || callsPerSecond === 0) return
    const load = utilization + (errorsPerSecond / callsPerSecond) * this.#settings.errorPenalty
    const weight = callsPerSecond / load
    // Numbers that are possible each by itself may be too far apart.
    if (!(weight > 0 && weight < Number.POSITIVE_INFINITY)) return
    if (this.#isExpired(nowMs)) this.#sinceMs = undefined
    this.#weight = weight
    this.#sinceMs ??= nowMs
    this.#lastMs = nowMs
  }

  #isExpired(nowMs: number): boolean {
    return nowMs - this.#lastMs >= this.#settings.expirationMs
  }

  /** Undefined: it has none that holds. */
  weightAt(nowMs: number): number | undefined {
    if (this.#sinceMs === undefined || this.#isExpired(nowMs)) return undefined
    return nowMs - this.#sinceMs < this.#settings.blackoutMs ? undefined : this.#weight
  }
}
