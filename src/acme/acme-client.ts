/** The library that speaks ACME, loaded at its first use, with bounds of ours: an authority may be slow, gone, or lie. */
import { Agent } from 'node:https'

export type AcmeLibrary = typeof import('acme-client')

/** Authorities answer within seconds. */
export const REQUEST_TIMEOUT_MS = 30_000
/** A chain of certificates has some KiB. */
const MAX_BYTES = 1_048_576
const MAX_REDIRECTS = 0

/** Whose certificate is verified against what else, by origin. */
const agents = new Map<string, Agent>()
/** Until when an authority does not want to be asked, by origin. */
const notBefore = new Map<string, number>()
let loading: Promise<AcmeLibrary> | undefined

export function loadAcmeClient(): Promise<AcmeLibrary> {
  loading ??= load()
  return loading
}

async function load(): Promise<AcmeLibrary> {
  const loaded = await import('acme-client')
  const library = (loaded as unknown as { default?: AcmeLibrary }).default ?? loaded
  const { defaults, interceptors } = library.axios
  // A timeout of its own counts silence only: the signal counts all of a request.
  Object.assign(defaults, { maxContentLength: MAX_BYTES, maxBodyLength: MAX_BYTES, maxRedirects: MAX_REDIRECTS })
  // It would wait by itself for as long as the authority says. `renewal.ts` tries again, within bounds.
  Object.assign((defaults as unknown as { acmeSettings: object }).acmeSettings, { retryMaxAttempts: 0 })
  interceptors.request.use(config => {
    const agent = agents.get(originOf(config.url))
    return { ...config, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS), ...(agent && { httpsAgent: agent }) }
  })
  interceptors.response.use(response => {
    noteRetryAfter(originOf(response.config.url), response.status, response.headers['retry-after'])
    return response
  })
  return library
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

export function trust(directory: string, ca: Buffer | undefined): void {
  const origin = originOf(directory)
  if (ca === undefined) agents.delete(origin)
  else agents.set(origin, new Agent({ ca, keepAlive: false }))
}
