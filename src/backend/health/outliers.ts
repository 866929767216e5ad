/**
 * Outlier ejection (gRFC A50): an endpoint whose calls fail gets no new ones for a while. Three things eject it: failures in
 * a row, a success rate below that of the others, a high percentage of failures. Beside A50:
 *
 * - What one client says does not eject an endpoint that others use: see `voters.ts`.
 * - An endpoint alone is never ejected, and of those that can be reached never the last one.
 */
import { Status, type StatusName, statusName } from '../../grpc/status.ts'
import type { Timer } from '../../transport/clock.ts'
import type { Endpoint } from '../endpoint.ts'
import type { EndpointWatch } from '../endpoint-watch.ts'
import type { OutcomeListener } from '../outcome.ts'
import type { BackendContext } from '../settings.ts'
import { OutlierRecord, type RecordContext, type RecordOptions } from './outlier-record.ts'
import {
  byFailurePercentage,
  bySuccessRate,
  type Enforcement,
  type FailurePercentageOptions,
  type Outlier,
  type SuccessRateOptions,
} from './rates.ts'
import { Lots } from './voters.ts'

export interface OutlierSettings {
  /** How often rates are judged, and ejections looked at. */
  readonly intervalMs: number
  /** How long the first ejection lasts. Each further one lasts so much longer; each interval without one so much less. */
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  /** While this part of the endpoints is ejected, in percent, no other one is. */
  readonly maxEjectedPercent: number
  /** Statuses that are failures. */
  readonly statuses: readonly StatusName[]
  /** So many failures in a row eject an endpoint; 0: they do not. */
  readonly consecutiveFailures: number
  readonly successRate: SuccessRateOptions
  readonly failurePercentage: FailurePercentageOptions
}

type OutlierContext = Pick<BackendContext, 'clock' | 'random' | 'log'>

export class Outliers implements EndpointWatch {
  readonly #settings: OutlierSettings
  readonly #context: OutlierContext
  readonly #records = new Map<Endpoint, OutlierRecord>()
  readonly #recordOptions: RecordOptions
  readonly #recordContext: RecordContext
  #timer: Timer | undefined

  constructor(settings: OutlierSettings, context: OutlierContext) {
    this.#settings = settings
    this.#context = context
    const { statuses, consecutiveFailures } = settings
    this.#recordOptions = { failures: new Set(statuses.map(name => Status[name])), consecutive: consecutiveFailures }
    this.#recordContext = {
      clock: context.clock,
      lots: new Lots(context.random),
      onRun: (record, count, status) =>
        this.#eject(record, `${count} of its calls failed in a row, the last one with ${statusName(status)}`),
    }
  }

  watch(endpoint: Endpoint): OutcomeListener {
    const record = new OutlierRecord(endpoint, this.#recordOptions, this.#recordContext)
    this.#records.set(endpoint, record)
    this.#timer ??= this.#untilNext()
    return record
  }

  unwatch(endpoint: Endpoint): void {
    this.#records.delete(endpoint)
    endpoint.unbar('outlier')
    if (this.#records.size === 0) this.#stop()
  }

  onConnectFailed(endpoint: Endpoint): void {
    const record = this.#records.get(endpoint)
    const { consecutiveFailures } = this.#settings
    // One that has a session works, and may allow no more of them.
    if (record === undefined || consecutiveFailures === 0 || endpoint.state === 'ready') return
    if (++record.failedConnects < consecutiveFailures || record.ejectedUntilMs !== undefined) return
    record.unreachable = true
    this.#eject(record, `${record.failedConnects} connects failed in a row, the last one by ${endpoint.lastError}`)
  }

  close(): void {
    this.#stop()
    for (const endpoint of this.#records.keys()) endpoint.unbar('outlier')
    this.#records.clear()
  }

  #stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #untilNext(): Timer {
    return this.#context.clock.after(this.#settings.intervalMs, () => {
      this.#timer = this.#untilNext()
      this.#judge()
      this.#readmit()
    })
  }

  /** gRFC A50: "For each address, swap the call counter's buckets", then each algorithm in turn. */
  #judge(): void {
    const { successRate, failurePercentage } = this.#settings
    const all = [...this.#records.values()].map(record => record.turnOver())
    this.#ejectAll(bySuccessRate(all, successRate), successRate)
    this.#ejectAll(byFailurePercentage(all, failurePercentage), failurePercentage)
  }

  #ejectAll(outliers: readonly Outlier<OutlierRecord>[], { enforcementPercent }: Enforcement): void {
    for (const { subject, why } of outliers) {
      if (subject.ejectedUntilMs !== undefined) continue
      if (this.#context.random() * 100 < enforcementPercent) this.#eject(subject, why)
    }
  }

  /** Those that cannot be reached get no calls anyway, and leave room for those that answer wrong. */
  #mayEject(): boolean {
    const { size } = this.#records
    let ejected = 0
    let unreachable = 0
    for (const record of this.#records.values()) {
      if (record.unreachable) unreachable++
      else if (record.ejectedUntilMs !== undefined) ejected++
    }
    // gRFC A50: "If the percentage of ejected addresses is greater than or equal to max_ejection_percent, stop."
    return (ejected / size) * 100 < this.#settings.maxEjectedPercent && ejected + unreachable + 1 < size
  }

  #eject(record: OutlierRecord, why: string): void {
    if (!record.unreachable && !this.#mayEject()) return
    const { baseEjectionMs, maxEjectionMs } = this.#settings
    record.ejections++
    const forMs = Math.min(baseEjectionMs * record.ejections, Math.max(baseEjectionMs, maxEjectionMs))
    record.ejectedUntilMs = this.#context.clock.now() + forMs
    const sentence = `${why}: no new calls for ${Math.round(forMs / 1_000)} s`
    record.endpoint.bar('outlier', sentence)
    this.#context.log?.('ejected', record.endpoint.address.name, sentence)
  }

  #readmit(): void {
    const now = this.#context.clock.now()
    for (const record of this.#records.values()) {
      if (record.ejectedUntilMs === undefined) {
        if (record.ejections > 0) record.ejections--
        continue
      }
      if (now < record.ejectedUntilMs) continue
      record.ejectedUntilMs = undefined
      record.unreachable = false
      record.forget()
      record.endpoint.unbar('outlier')
      this.#context.log?.('readmitted', record.endpoint.address.name, 'its time is over')
    }
  }
}
