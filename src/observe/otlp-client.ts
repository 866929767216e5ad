/**
 * Posts to a collector: OTLP over HTTP, as JSON (opentelemetry-proto `docs/specification.md`, "OTLP/HTTP"). What a collector
 * answers is read up to a bound, and a collector that does not answer is given up.
 */
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import type { Clock } from '../transport/clock.ts'

export interface OtlpDestination {
  /** With its path: `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly tls?: OtlpTls | undefined
}

export interface OtlpTls {
  readonly ca?: string | Buffer | undefined
  readonly cert?: string | Buffer | undefined
  readonly key?: string | Buffer | undefined
}

export type PostOutcome =
  /** @property rejected how many items it did not take, and why */
  | { readonly kind: 'taken'; readonly rejected: number; readonly why: string }
  /** It may take the same later. */
  | { readonly kind: 'later'; readonly afterMs: number | undefined; readonly why: string }
  /** It will never take this. */
  | { readonly kind: 'refused'; readonly why: string }

/** "The client SHOULD retry": these, and what ends a connection. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504])
/** A sentence for each of some items. What is behind it is not read. */
const MAX_ANSWER_BYTES = 65_536
/** A collector that asks for more is asked again after this. */
const MAX_RETRY_AFTER_MS = 300_000
const MAX_WHY_CHARACTERS = 300

export class OtlpClient {
  readonly #destination: OtlpDestination
  readonly #clock: Clock
  readonly #url: URL
  #agent: Agent | undefined
  #request: ClientRequest | undefined
  #closed = false

  constructor(destination: OtlpDestination, clock: Clock) {
    this.#destination = destination
    this.#clock = clock
    this.#url = new URL(destination.url)
  }

  /** One at a time. Never rejects. */
  post(body: string): Promise<PostOutcome> {
    if (this.#closed) return Promise.resolve({ kind: 'refused', why: 'the proxy ends' })
    return new Promise(resolve => {
      const end = (outcome: PostOutcome) => {
        timer.cancel()
        this.#request = undefined
        resolve(outcome)
      }
      const later = (why: string): void => end({ kind: 'later', afterMs: undefined, why: bounded(why) })
      const { timeoutMs } = this.#destination
      const timer = this.#clock.after(timeoutMs, () => {
        later(`no answer within ${timeoutMs} ms`)
        request.destroy()
      })
      const request = this.#open(body)
      this.#request = request
      request.on('error', error => later(this.#closed ? 'the proxy ends' : reasonOf(error)))
      request.on('response', response => readAnswer(response, end, later))
      request.end(body)
    })
  }

  #open(body: string): ClientRequest {
    // Who exports nothing needs none of it.
    const http: typeof import('node:http') = process.getBuiltinModule(
      this.#url.protocol === 'https:' ? 'node:https' : 'node:http',
    ) as never
    const { headers, tls } = this.#destination
    this.#agent ??= new http.Agent({ keepAlive: true, maxSockets: 1, ...tls })
    const options: RequestOptions = {
      method: 'POST',
      agent: this.#agent,
      headers: {
        ...headers,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': 'grpc-verbatim',
      },
    }
    return http.request(this.#url, options)
  }

  /** Gives up what is under way. */
  close(): void {
    this.#closed = true
    this.#request?.destroy()
    this.#agent?.destroy()
  }
}

function readAnswer(
  response: IncomingMessage,
  end: (outcome: PostOutcome) => void,
  later: (why: string) => void,
): void {
  const { statusCode = 0, headers } = response
  let text = ''
  response.setEncoding('utf8')
  response.on('data', (part: string) => {
    text += part
    if (text.length > MAX_ANSWER_BYTES) response.destroy()
  })
  response.on('error', error => later(reasonOf(error)))
  response.on('close', () => {
    if (statusCode >= 200 && statusCode < 300) return end({ kind: 'taken', ...partialSuccess(text) })
    const why = bounded(`HTTP ${statusCode}${text === '' ? '' : `: ${text}`}`)
    if (!RETRYABLE.has(statusCode)) return end({ kind: 'refused', why })
    end({ kind: 'later', afterMs: retryAfterMs(headers['retry-after'], Date.now()), why })
  })
}

/** "`ExportTracePartialSuccess`": its number of rejected spans or data points is an `int64`, so text in JSON. */
function partialSuccess(text: string): { rejected: number; why: string } {
  try {
    const { partialSuccess = {} } = JSON.parse(text) as { partialSuccess?: Record<string, unknown> }
    const rejected = Number(partialSuccess.rejectedSpans ?? partialSuccess.rejectedDataPoints ?? 0)
    const why = bounded(typeof partialSuccess.errorMessage === 'string' ? partialSuccess.errorMessage : '')
    return { rejected: Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0, why }
  } catch {
    // Some answer with nothing, or with something else.
    return { rejected: 0, why: '' }
  }
}

/** RFC 9110 §10.2.3: seconds, or a date. */
export function retryAfterMs(text: string | undefined, dateMs: number): number | undefined {
  if (text === undefined) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - dateMs
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}

function reasonOf(error: Error & { code?: string }): string {
  return error.message === '' ? (error.code ?? 'the connection was lost') : error.message
}

function bounded(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, MAX_WHY_CHARACTERS)
    .toWellFormed()
}
