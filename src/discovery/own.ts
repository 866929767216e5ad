/**
 * Endpoints from an object that somebody else wrote. Whatever it throws and tells, nothing of it goes further than a reason
 * in the log; what it is told often, it is told at most once a second.
 */
import type { EndpointSink, EndpointSource, EndpointSpec } from '../backend/endpoint-source.ts'
import type { SourceContext } from '../backend/settings.ts'
import type { Timer } from '../transport/clock.ts'

/** An endpoint that is down is a reason to look again with every connect that fails. */
export const REFRESH_MS = 1_000
/** Ten times the largest fleet that is known to use one proxy. A list that grows without end must not take all memory. */
export const MAX_ENDPOINTS = 100_000

/** A sentence or two; logs cut it there too. */
const MAX_REASON_CHARACTERS = 512

export interface OwnEndpointsOptions {
  readonly source: GivenSource
  /** Makes endpoints of what it tells. @throws Error that says what is wrong */
  readonly read: (list: unknown) => readonly EndpointSpec[]
}

/** What the object should be; it may be in plain JavaScript. */
export interface GivenSource {
  start(sink: GivenSink): unknown
  refresh?(): unknown
  close?(sink: GivenSink): unknown
}

export interface GivenSink {
  onEndpoints(all: readonly unknown[]): void
  onError(reason: string): void
}

export class OwnEndpoints implements EndpointSource {
  readonly #options: OwnEndpointsOptions
  readonly #context: SourceContext
  #sink: EndpointSink | undefined
  #refreshedMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  /** What waits for the end of this step of the loop: it may be told from within the backend's own work. */
  #news: (() => void) | undefined

  constructor(options: OwnEndpointsOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
  }

  start(sink: EndpointSink): void {
    this.#sink = sink
    this.#call('start', source => source.start(this.#given))
  }

  refresh(): void {
    if (this.#timer !== undefined || this.#sink === undefined) return
    const { clock } = this.#context
    const waitMs = this.#refreshedMs + REFRESH_MS - clock.now()
    if (waitMs <= 0) return this.#refreshNow()
    this.#timer = clock.after(waitMs, () => {
      this.#timer = undefined
      this.#refreshNow()
    })
  }

  #refreshNow(): void {
    this.#refreshedMs = this.#context.clock.now()
    this.#call('refresh', source => source.refresh?.())
  }

  close(): void {
    if (this.#sink === undefined) return
    this.#timer?.cancel()
    this.#call('close', source => source.close?.(this.#given))
    this.#sink = this.#news = undefined
  }

  readonly #given: GivenSink = Object.freeze({
    // What is told may be changed afterwards: it is read at once.
    onEndpoints: (all: readonly unknown[]) => this.#read(all),
    onError: (reason: string) => {
      const text = textOf(reason)
      this.#tell(() => this.#sink?.onError(text))
    },
  })

  #read(list: unknown): void {
    if (this.#sink === undefined) return
    try {
      if (Array.isArray(list) && list.length === 0) throw new Error('the list is empty')
      if (Array.isArray(list) && list.length > MAX_ENDPOINTS) {
        throw new Error(`the list has ${list.length} entries, more than ${MAX_ENDPOINTS}`)
      }
      const all = this.#options.read(list)
      this.#tell(() => this.#sink?.onEndpoints(all))
    } catch (error) {
      const reason = textOf(error)
      this.#tell(() => this.#sink?.onError(reason))
    }
  }

  /** The last news count. */
  #tell(news: () => void): void {
    const waits = this.#news !== undefined
    this.#news = news
    if (waits) return
    queueMicrotask(() => {
      const last = this.#news
      this.#news = undefined
      last?.()
    })
  }

  #call(what: string, call: (source: GivenSource) => unknown): void {
    const fail = (error: unknown) => {
      const reason = `${what}() of the source failed: ${textOf(error)}`
      this.#tell(() => this.#sink?.onError(reason))
    }
    try {
      // A promise that is not waited for must not end the process.
      Promise.resolve(call(this.#options.source)).catch(fail)
    } catch (error) {
      fail(error)
    }
  }
}

/** Anything may be thrown, also what has no text. */
function textOf(what: unknown): string {
  try {
    return (what instanceof Error ? what.message : String(what)).slice(0, MAX_REASON_CHARACTERS)
  } catch {
    return 'something without a text'
  }
}
