/**
 * Brings metrics to a collector, once in a while. Counts are those since the beginning: a reading that is lost is made up for
 * by the next one, so none is kept and none is sent twice.
 *
 * ```
 *   interval over ─▶ is the last one under way, or does the collector want a pause? ─▶ dropped
 *                       └─ no ─▶ read ─▶ post ─▶ taken │ rejected in part │ later, refused ─▶ dropped
 * ```
 */
import type { Clock, Timer } from '../transport/clock.ts'
import type { PostOutcome } from './otlp-client.ts'
import { MetricsEncoder } from './otlp-metrics.ts'
import type { Reading } from './registry.ts'
import type { Attributes } from './span.ts'

/** Where readings go. */
export interface MetricDestination {
  post(body: string): Promise<PostOutcome>
  close(): void
}

export interface MetricExporterOptions {
  readonly destination: MetricDestination
  readonly intervalMs: number
  /** What this process is. */
  readonly resource: Attributes
}

/** What was lost since it was told last. */
export interface MetricTrouble {
  readonly why: string
  readonly dropped: number
  /** Points of readings of which the collector took the others. */
  readonly rejectedPoints: number
}

export interface MetricExporterContext {
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly date: () => number
  /** When the process began. */
  readonly startMs: number
  /** Ends within a bound of its own. */
  readonly read: () => readonly Reading[] | Promise<readonly Reading[]>
  /** Told once in a while, if there is something to tell. */
  readonly onTrouble: (trouble: MetricTrouble) => void
}

/** Between two lines of the log about the same. */
const TELL_MS = 60_000

export class MetricExporter {
  /** Undefined: nothing is exported now. */
  #options: MetricExporterOptions | undefined
  readonly #context: MetricExporterContext
  /** It outlives a change of the options: it knows when each count began. */
  readonly #encoder: MetricsEncoder
  #timer: Timer | undefined
  /** One at a time. */
  #exporting: Promise<void> | undefined
  #notBeforeMs = Number.NEGATIVE_INFINITY
  #closing = false
  #why = ''
  #untold = { dropped: 0, rejectedPoints: 0 }
  #toldMs = Number.NEGATIVE_INFINITY
  /** Since the start. */
  readonly totals = { exported: 0, dropped: 0, rejectedPoints: 0 }

  constructor(context: MetricExporterContext) {
    this.#context = context
    this.#encoder = new MetricsEncoder(context.startMs)
  }

  /** Undefined: no more. */
  update(options: MetricExporterOptions | undefined): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#options?.destination.close()
    this.#options = options
    this.#notBeforeMs = Number.NEGATIVE_INFINITY
    if (options !== undefined) this.#wait(options.intervalMs)
  }

  #wait(intervalMs: number): void {
    this.#timer = this.#context.clock.after(intervalMs, () => {
      this.#wait(intervalMs)
      if (this.#exporting !== undefined) this.#lose(1, 0, 'it has not answered to the one before')
      else if (this.#context.clock.now() < this.#notBeforeMs) this.#lose(1, 0, this.#why)
      else this.#start()
    })
  }

  #start(): Promise<void> {
    this.#exporting = this.#export().finally(() => {
      this.#exporting = undefined
    })
    return this.#exporting
  }

  async #export(): Promise<void> {
    const { destination, resource } = this.#options!
    try {
      const readings = await this.#context.read()
      for (const { text, points } of this.#encoder.encode(readings, resource, this.#context.date())) {
        const outcome = await destination.post(text)
        if (outcome.kind !== 'taken') return this.#notTaken(outcome, destination)
        // A collector may also take everything and warn.
        const rejected = Math.min(outcome.rejected, points)
        if (rejected > 0 || outcome.why !== '') this.#lose(0, rejected, outcome.why)
      }
      this.totals.exported++
    } catch (error) {
      this.#lose(1, 0, error instanceof Error ? error.message : String(error))
    }
  }

  #notTaken(outcome: Exclude<PostOutcome, { kind: 'taken' }>, destination: MetricDestination): void {
    const isOther = destination !== this.#options?.destination
    const afterMs = outcome.kind === 'later' ? (outcome.afterMs ?? 0) : 0
    if (!isOther) this.#notBeforeMs = this.#context.clock.now() + afterMs
    this.#lose(1, 0, isOther ? 'the configuration has changed' : outcome.why)
  }

  #lose(dropped: number, rejectedPoints: number, why: string): void {
    this.totals.dropped += dropped
    this.totals.rejectedPoints += rejectedPoints
    this.#untold.dropped += dropped
    this.#untold.rejectedPoints += rejectedPoints
    this.#why = why
    const now = this.#context.clock.now()
    if (!this.#closing && now - this.#toldMs >= TELL_MS) this.#tell(now)
  }

  #tell(now: number): void {
    this.#toldMs = now
    const { dropped, rejectedPoints } = this.#untold
    this.#untold = { dropped: 0, rejectedPoints: 0 }
    this.#context.onTrouble({ why: this.#why, dropped, rejectedPoints })
  }

  /** Sends what there is at the end, and gives it up after a while. @param graceMs no longer than this */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    this.#timer?.cancel()
    const { clock } = this.#context
    const destination = this.#options?.destination
    const timer = clock.after(graceMs, () => destination?.close())
    await this.#exporting
    if (destination !== undefined) await this.#start()
    timer.cancel()
    destination?.close()
    if (this.#untold.dropped + this.#untold.rejectedPoints > 0) this.#tell(clock.now())
    this.#options = undefined
  }
}
