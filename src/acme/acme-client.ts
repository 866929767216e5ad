/** The library that speaks ACME, loaded at its first use, with bounds of ours: an authority may be slow, gone, or lie. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { Agent } from 'node:https'
import type { Clock, Timer } from '../transport/clock.ts'

export type AcmeLibrary = typeof import('acme-client')

/** Authorities answer within seconds. */
const REQUEST_TIMEOUT_MS = 30_000
/** A chain of certificates has some KiB. It counts what was packed as well. */
const MAX_BYTES = 1_048_576
const MAX_REDIRECTS = 0

/** How an authority is asked. */
export interface Asking {
  /** What its own certificate is verified against; undefined: what Node trusts. */
  readonly ca: Buffer | undefined
  readonly clock: Clock
  /** Ends all requests. Its reason is an Error. */
  readonly signal: AbortSignal
  /** So often. The library asks again by itself, in some cases without an end. */
  readonly maxRequests: number
}

/** For what the library asks now: it has one axios for all, and asks wherever an authority's answers lead it. */
const asking = new AsyncLocalStorage<Asked>()

interface Asked extends Omit<Asking, 'ca'> {
  /** Of the authority, and how its certificate is verified. */
  readonly origin: string
  readonly agent: Agent | undefined
  requests: number
}
/** Until when an authority does not want to be asked, by origin. */
const notBefore = new Map<string, number>()
/** Of requests under way. */
const timers = new WeakMap<object, Timer>()
let loading: Promise<AcmeLibrary> | undefined

export function loadAcmeClient(): Promise<AcmeLibrary> {
  loading ??= load()
  return loading
}

/** The parts of a request of axios that are read here. */
interface Requested {
  readonly url?: string
  readonly signal?: AbortSignal
}

async function load(): Promise<AcmeLibrary> {
  const loaded = await import('acme-client')
  const library = (loaded as unknown as { default?: AcmeLibrary }).default ?? loaded
  const { defaults, interceptors } = library.axios
  Object.assign(defaults, { maxContentLength: MAX_BYTES, maxBodyLength: MAX_BYTES, maxRedirects: MAX_REDIRECTS })
  // Its own would wait for as long as the authority says, and lose the reason where there is no answer at all. `renewal.ts`
  // tries again, within bounds.
  interceptors.request.clear()
  interceptors.response.clear()
  interceptors.request.use(config => {
    const { signal, agent } = limitsOf(config.url)
    return { ...config, signal, ...(agent && { httpsAgent: agent }) }
  })
  interceptors.response.use(
    response => {
      stopTimer(response.config as Requested)
      noteRetryAfter(originOf(response.config.url), response.status, response.headers['retry-after'])
      return response
    },
    (error: Error & { readonly config?: Requested }) => {
      stopTimer(error.config)
      throw error.config?.signal?.aborted ? error.config.signal.reason : new Error(error.message)
    },
  )
  return library
}

/** A timeout of axios' own counts silence only: this is for all of a request. */
function limitsOf(url: string | undefined): { readonly signal: AbortSignal; readonly agent: Agent | undefined } {
  const origin = originOf(url)
  const asked = asking.getStore()
  if (asked === undefined) throw new Error('an authority is asked within an order')
  if (++asked.requests > asked.maxRequests) throw new Error(`no certificate after ${asked.maxRequests} requests`)
  const { clock, signal } = asked
  const late = new AbortController()
  const both = AbortSignal.any([signal, late.signal])
  const reason = `no whole answer within ${REQUEST_TIMEOUT_MS / 1_000} seconds`
  const timer = clock.after(REQUEST_TIMEOUT_MS, () => late.abort(new Error(reason)))
  timers.set(both, timer)
  return { signal: both, agent: origin === asked.origin ? asked.agent : undefined }
}

function stopTimer(request: Requested | undefined): void {
  if (request?.signal !== undefined) timers.get(request.signal)?.cancel()
}

function originOf(url: string | undefined): string {
  return new URL(url ?? '').origin
}

/** RFC 8555 §6.6: the answer to who asks too often says when to ask again. */
function noteRetryAfter(origin: string, status: number, value: unknown): void {
  if (status !== 429 && status !== 503) return
  const seconds = Number(value)
  const atMs = Number.isFinite(seconds) ? Date.now() + seconds * 1_000 : Date.parse(String(value))
  if (Number.isFinite(atMs)) notBefore.set(origin, atMs)
}

/** By the clock on the wall. */
export function mayAskAgainAt(directory: string): number {
  return notBefore.get(originOf(directory)) ?? 0
}

/** All that the library asks for `order` is asked so. */
export function askingAt<Result>(
  directory: string,
  { ca, ...bounds }: Asking,
  order: () => Promise<Result>,
): Promise<Result> {
  const agent = ca && new Agent({ ca, keepAlive: false })
  return asking.run({ ...bounds, origin: originOf(directory), agent, requests: 0 }, order)
}
