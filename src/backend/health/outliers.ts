/**
 * Outlier ejection (gRFC A50): an endpoint whose calls fail gets no new ones for a while. Three things eject it: failures in
 * a row, a success rate below that of the others, a high percentage of failures. Beside A50:
 *
 * - What one client says does not eject an endpoint that others use: see `voters.ts`.
 * - An endpoint alone is never ejected, and of those that can be reached never the last one.
 */
import { Status, statusName } from '../../grpc/status.ts'
import type { Timer } from '../../transport/clock.ts'
import type { Endpoint } from '../endpoint.ts'
import type { EndpointWatch } from '../endpoint-watch.ts'
import type { OutcomeListener } from '../outcome.ts'
import type { BackendContext } from '../settings.ts'
import { Crowd } from './crowd.ts'
import { OutlierRecord, type RecordContext, type RecordOptions } from './outlier-record.ts'
import { byFailurePercentage, bySuccessRate, type Enforcement, type Outlier } from './rates.ts'
import type { OutlierSettings } from './settings.ts'

type OutlierContext = Pick<BackendContext, 'clock' | 'random' | 'log'>

export class Outliers implements EndpointWatch {
  readonly #settings: OutlierSettings
  readonly #context: OutlierContext
  readonly #records = new Map<Endpoint, OutlierRecord>()
  readonly #recordOptions: RecordOptions
  readonly #recordContext: RecordContext
  readonly #crowd: Crowd
  #timer: Timer | undefined

  constructor(settings: OutlierSettings, context: OutlierContext) {
    this.#settings = settings
    this.#context = context
    const { statuses, consecutiveFailures } = settings
    this.#recordOptions = { failures: new Set(statuses.map(name => Status[name])), consecutive: consecutiveFailures }
    this.#crowd = new Crowd(context.random)
    this.#recordContext = {
      clock: context.clock,
      crowd: this.#crowd,
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

  /** gRFC A50: each algorithm in turn, by the calls of the interval that ends. */
  #judge(): void {
    const { successRate, failurePercentage } = this.#settings
    const all = [...this.#records.values()].map(({ rated }) => rated)
    this.#ejectAll(bySuccessRate(all, successRate), successRate)
    this.#ejectAll(byFailurePercentage(all, failurePercentage), failurePercentage)
    for (const record of this.#records.values()) record.turnOver()
    this.#crowd.turnOver()
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
    const sentence = `${why}: no new calls for ${forMs / 1_000} s`
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
      record.readmitted()
      record.endpoint.unbar('outlier')
      this.#context.log?.('readmitted', record.endpoint.address.name, 'its time is over')
    }
  }
}
