/**
 * Brings spans to a collector, in batches. What waits is bounded in number and in bytes, and so is how long a batch is tried:
 * with a collector that is gone or stands still, newer spans are dropped and counted, and calls do not notice.
 *
 * ```
 *   add ─▶ queue ─ full? ─▶ dropped          one batch at a time:
 *            └─ after a while, or enough ─▶ post ─▶ taken │ rejected in part │ refused ─▶ dropped
 *                                            ▲      └─ later ─┐
 *                                            └──── backoff ◀──┘  too long ─▶ dropped
 * ```
 */
import type { Clock, Timer } from '../transport/clock.ts'
import type { PostOutcome } from './otlp-client.ts'

export interface SpanQueueLimits {
  readonly maxQueuedSpans: number
  readonly maxQueuedBytes: number
  /** Spans wait so long for others. */
  readonly intervalMs: number
}

/** Where batches go. */
export interface SpanDestination {
  post(body: string): Promise<PostOutcome>
  close(): void
}

export interface SpanExporterOptions extends SpanQueueLimits {
  readonly destination: SpanDestination
  /** What comes before the spans in a body, and what behind them. */
  readonly envelope: readonly [before: string, behind: string]
}

export interface SpanExporterContext {
  readonly clock: Clock
  readonly random: () => number
  /** Told once in a while, if there is something to tell. @param dropped since the last time */
  readonly onTrouble: (why: string, dropped: number) => void
}

/** Most of one request: OpenTelemetry's SDKs send as many, and 1 MiB is far below what collectors take. */
const BATCH_SPANS = 512
const BATCH_BYTES = 1_048_576
/** How long one batch is tried. Then what is newer is worth more. */
const GIVE_UP_MS = 60_000
const BACKOFF = { initialMs: 1_000, multiplier: 2, maxMs: 15_000, jitter: 0.2 }
/** Between two lines of the log about the same. */
const TELL_MS = 60_000

export class SpanExporter {
  #options: SpanExporterOptions
  readonly #context: SpanExporterContext
  /** One string for each span, in the order in which they came, and the bytes of all. Those of the batch that is under way count. */
  #queue: string[] = []
  #bytes = 0
  #timer: Timer | undefined
  #sending: Promise<void> | undefined
  /** Ends a wait between two tries. */
  #wake: (() => void) | undefined
  #closing = false
  #untold = 0
  #why = ''
  #toldMs = Number.NEGATIVE_INFINITY
  /** Since the start. */
  readonly totals = { exported: 0, dropped: 0 }

  constructor(options: SpanExporterOptions, context: SpanExporterContext) {
    this.#options = options
    this.#context = context
  }

  /** What waits goes to the new destination. */
  update(options: SpanExporterOptions): void {
    if (options.destination !== this.#options.destination) this.#options.destination.close()
    this.#options = options
    this.#wake?.()
  }

  get queued(): { readonly spans: number; readonly bytes: number } {
    return { spans: this.#queue.length, bytes: this.#bytes }
  }

  /** All of them or none. */
  readonly add = (spans: readonly string[]): void => {
    const { maxQueuedSpans, maxQueuedBytes, intervalMs } = this.#options
    let bytes = 0
    for (const span of spans) bytes += span.length
    const isFull = this.#queue.length + spans.length > maxQueuedSpans || this.#bytes + bytes > maxQueuedBytes
    if (isFull || this.#closing)
      return this.#drop(spans.length, this.#why === '' ? 'more spans than are sent' : this.#why)
    this.#queue.push(...spans)
    this.#bytes += bytes
    if (this.#sending !== undefined) return
    if (this.#queue.length >= Math.min(BATCH_SPANS, maxQueuedSpans / 2)) this.#send()
    else this.#timer ??= this.#context.clock.after(intervalMs, () => this.#send())
  }

  #send(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined
    })
  }

  /** Until nothing waits. */
  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const count = this.#batchSize()
      const outcome = await this.#deliver(this.#queue.slice(0, count))
      let bytes = 0
      for (let i = 0; i < count; i++) bytes += this.#queue[i]!.length
      this.#queue.splice(0, count)
      this.#bytes -= bytes
      const lost = outcome.kind === 'taken' ? Math.min(outcome.rejected, count) : count
      this.totals.exported += count - lost
      this.#why = outcome.kind === 'taken' ? '' : outcome.why
      // A collector may also take everything and warn.
      if (lost > 0 || outcome.why !== '') this.#drop(lost, outcome.why)
    }
  }

  #batchSize(): number {
    let bytes = 0
    let count = 0
    while (count < this.#queue.length && count < BATCH_SPANS && (count === 0 || bytes < BATCH_BYTES)) {
      bytes += this.#queue[count]!.length
      count++
    }
    return count
  }

  async #deliver(batch: readonly string[]): Promise<PostOutcome> {
    const { clock, random } = this.#context
    const startMs = clock.now()
    for (let backoffMs = BACKOFF.initialMs; ; backoffMs = Math.min(backoffMs * BACKOFF.multiplier, BACKOFF.maxMs)) {
      const { destination, envelope } = this.#options
      const outcome = await destination.post(envelope[0] + batch.join(',') + envelope[1])
      if (outcome.kind !== 'later') return outcome
      this.#why = outcome.why
      const jitter = 1 + BACKOFF.jitter * (2 * random() - 1)
      const waitMs = outcome.afterMs ?? backoffMs * jitter
      // At the end there is one try for each batch.
      if (this.#closing || clock.now() - startMs + waitMs > GIVE_UP_MS) return outcome
      await this.#wait(waitMs)
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#context.clock.after(ms, () => this.#wake?.())
      this.#wake = () => {
        timer.cancel()
        this.#wake = undefined
        resolve()
      }
    })
  }

  #drop(count: number, why: string): void {
    this.totals.dropped += count
    this.#untold += count
    const now = this.#context.clock.now()
    if (now - this.#toldMs < TELL_MS && !this.#closing) return
    this.#toldMs = now
    this.#context.onTrouble(why, this.#untold)
    this.#untold = 0
  }

  /** Sends what waits, and gives it up after a while. @param graceMs no longer than this */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    this.#timer?.cancel()
    this.#wake?.()
    if (this.#queue.length > 0) this.#send()
    if (this.#sending !== undefined) {
      const timer = this.#context.clock.after(graceMs, () => this.#options.destination.close())
      await this.#sending
      timer.cancel()
    }
    if (this.#untold > 0) this.#context.onTrouble(this.#why, this.#untold)
    this.#untold = 0
    this.#options.destination.close()
  }
}
