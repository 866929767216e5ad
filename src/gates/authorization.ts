/**
 * A gate by the word of another service: Envoy's `envoy.service.auth.v3.Authorization/Check`. It is told who calls what with
 * which metadata, and nothing of the messages.
 */
import { CHECK_PATH, type CheckAnswer, checkRequest, readCheckResponse } from '../grpc/check-message.ts'
import { Status } from '../grpc/status.ts'
import type { CallInfo } from '../routing/director.ts'
import {
  type Gate,
  onAnswer,
  type Refusal,
  type RefusalToken,
  refusal,
  vouching,
  withAdditions,
} from '../routing/gate.ts'
import { altNames } from '../transport/alt-names.ts'
import {
  AskedService,
  type AskedServiceOptions,
  addedBy,
  answeredBy,
  given,
  mayChange,
  refusedWith,
} from './asked-service.ts'
import { clientAddress } from './client-address.ts'

export interface AuthorizationOptions extends AskedServiceOptions {
  /** The metadata that the service is told; by default all. */
  readonly headers?: readonly string[] | undefined
  /** Metadata that the service adds: what clients send under these names never reaches the backend. */
  readonly vouchesFor?: readonly string[] | undefined
  /** Told to the service as `context_extensions`. */
  readonly context?: Readonly<Record<string, string>> | undefined
  /** Proxies before this one, whose `x-forwarded-for` says who the client is. */
  readonly trustedProxies?: readonly string[] | undefined
}

/** What a service says of a refusal goes to the log, where it is a stranger's text. */
const MAX_TEXT_CHARACTERS = 200

export function authorization(options: AuthorizationOptions): Gate {
  const { headers, vouchesFor = [], context = {}, trustedProxies } = options
  const told = headers && new Set(headers)
  const addressOf = clientAddress(trustedProxies)
  const service = new AskedService(CHECK_PATH, options, bytes => {
    const answer = readCheckResponse(bytes)
    if (!answer.allowed) return { refused: refusedBy(answer) }
    const remove = answer.remove.map(name => name.toLowerCase()).filter(mayChange)
    const changes = answeredBy(answer.respond)
    return { metadata: addedBy(answer.add), removeMetadata: [...vouchesFor, ...remove], changes }
  })
  const gate: Gate = (next, services) => {
    const asked = given(services, 'authorization')
    return async call => {
      const { path, authority, peer } = call
      const host = addressOf(call)
      const port = host !== '' && peer.address.includes(host) ? Number(/:(\d+)$/.exec(peer.address)?.[1] ?? 0) : 0
      const scheme = peer.encrypted ? 'https' : 'http'
      const request = {
        path,
        authority,
        scheme,
        headers: headersOf(call, told),
        host,
        port,
        principal: principalOf(call),
        context,
      }
      const answer = await service.about(call, checkRequest(request), asked)
      if (answer?.refused !== undefined) throw answer.refused
      return onAnswer(next(call), target => withAdditions(target, answer ?? { removeMetadata: vouchesFor }))
    }
  }
  return vouching(gate, vouchesFor)
}

function headersOf({ metadata }: CallInfo, told: ReadonlySet<string> | undefined): Map<string, string> {
  const headers = new Map<string, string>()
  for (const { name, value } of metadata.fields) {
    if (told !== undefined && !told.has(name)) continue
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before},${value}`)
  }
  return headers
}

/** A URI as SPIFFE has it, else the name of a host, else the subject. */
function principalOf({ peer: { certificate } }: CallInfo): string {
  if (certificate?.authorized !== true) return ''
  const names = altNames(certificate.subjectAltName)
  const name = names.find(({ kind }) => kind === 'URI') ?? names.find(({ kind }) => kind === 'DNS')
  return name?.name ?? certificate.subject
}

function refusedBy(answer: Extract<CheckAnswer, { allowed: false }>): Refusal {
  const why = `the service refuses it: ${JSON.stringify(answer.text.slice(0, MAX_TEXT_CHARACTERS))}`
  return refusal(tokenOf(answer), why, undefined, undefined, refusedWith(answer.respond))
}

function tokenOf({ status, http }: { readonly status: number; readonly http: number }): RefusalToken {
  if (http === 401 || (http === 0 && status === Status.UNAUTHENTICATED)) return 'unauthenticated'
  if (http === 429 || (http === 0 && status === Status.RESOURCE_EXHAUSTED)) return 'rate-limited'
  return 'forbidden'
}
