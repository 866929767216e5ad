/**
 * Where the endpoints of a backend come from: the list of the configuration, a name service, code. A source always
 * tells a whole list. The backend finds out what is new and what has left.
 */
import { nodeCrypto } from '../transport/node-tls.ts'
import type { DialAddress } from '../transport/transport.ts'

/** What a source says of an endpoint. */
export interface EndpointSpec {
  /** Says which endpoint it is: if the key is the same, the sessions are kept. See `keyOf`. */
  readonly key: string
  readonly address: DialAddress
  /** How much of the calls it should get, compared with the others; not every balancer uses it. */
  readonly weight: number
  /** Where it runs; `''` if that is not known. */
  readonly locality: string
  /** 0 is used first. */
  readonly priority: number
}

/** Who listens to a source. */
export interface EndpointSink {
  /**
   * All endpoints that there are now. The list may be empty.
   * @param remark what the source knows and has left out of it, in a sentence
   */
  onEndpoints(all: readonly EndpointSpec[], remark?: string): void
  /** The source cannot say which endpoints there are. The last list stays. */
  onError(reason: string): void
}

export interface EndpointSource {
  /** Called once. The first list may be told within the call, or later. */
  start(sink: EndpointSink): void
  /**
   * A session was lost or a connect failed, so the list may have changed. This is called often while an endpoint is
   * down: the source itself limits how often it looks.
   */
  refresh(): void
  /** The source tells nothing after this. */
  close(): void
}

/** An address of a list, and what the list says of it. See `EndpointSpec`. */
export interface WeightedAddress extends DialAddress {
  /** 1 where none is given. */
  readonly weight?: number
  readonly locality?: string
  readonly priority?: number
}

/** Why the endpoints of a backend are not those that they should be. */
export interface SourceProblem {
  /** `lost`: there is no list, and that from before stays. `partial`: there is one, and not all of it is used. */
  readonly kind: 'lost' | 'partial'
  readonly text: string
}

/** The list of the configuration. */
export class StaticSource implements EndpointSource {
  readonly #addresses: readonly WeightedAddress[]

  constructor(addresses: readonly WeightedAddress[]) {
    this.#addresses = addresses
  }

  start(sink: EndpointSink): void {
    sink.onEndpoints(endpointSpecs(this.#addresses))
  }

  refresh(): void {
    // The list never changes.
  }

  close(): void {
    // There is nothing to stop.
  }
}

/**
 * Of an address that is on one list after another, there is one specification: with ten thousand endpoints a list that
 * differs in one of them should cost little more than that one.
 */
const specs = new WeakMap<WeightedAddress, EndpointSpec>()

/** Makes endpoints of addresses. An address that is there twice is two endpoints and gets two shares. */
export function endpointSpecs(addresses: readonly WeightedAddress[]): EndpointSpec[] {
  const keys = new Set<string>()
  /** Only of those that are there twice: most are not. */
  const times = new Map<string, number>()
  const digests = new Digests()
  return addresses.map(address => {
    const spec = specOf(address, digests)
    const { size } = keys
    if (keys.add(spec.key).size > size) return spec
    const time = (times.get(spec.key) ?? 1) + 1
    times.set(spec.key, time)
    return { ...spec, key: `${spec.key}#${time}` }
  })
}

function specOf(address: WeightedAddress, digests: Digests): EndpointSpec {
  const known = specs.get(address)
  if (known !== undefined) return known
  const { weight = 1, locality = '', priority = 0 } = address
  const spec = { key: keyWith(address, digests), address, weight, locality, priority }
  specs.set(address, spec)
  return spec
}

/** The key of an address: everything that a session depends on, with certificates and the connecting function. */
export function keyOf(address: DialAddress): string {
  return keyWith(address, new Digests())
}

function keyWith({ name, tcp, unix, connect, tls, proxyHeader }: DialAddress, digests: Digests): string {
  const to = tcp === undefined ? unix : `${tcp.host}:${tcp.port}`
  return JSON.stringify([name, to, connect && numberOf(connect), tls && digests.ofTls(tls), proxyHeader])
}

const numbers = new WeakMap<object, number>()
let lastNumber = 0

/** Each function has its own number: two with the same text are still two. */
function numberOf(connect: object): number {
  const known = numbers.get(connect)
  if (known !== undefined) return known
  numbers.set(connect, ++lastNumber)
  return lastNumber
}

/** Digests of what the endpoints of a list have in common, so that no second copy of a private key is kept. */
class Digests {
  readonly #known = new Map<string | Buffer, string>()

  ofTls({ ca, crl, cert, key, ...rest }: NonNullable<DialAddress['tls']>): unknown[] {
    return [rest, ...[ca, crl, cert, key].map(pem => this.#of(pem))]
  }

  #of(pem: string | Buffer | undefined): string | undefined {
    if (pem === undefined) return undefined
    const known = this.#known.get(pem)
    if (known !== undefined) return known
    const digest = nodeCrypto().createHash('sha256').update(pem).digest('base64')
    this.#known.set(pem, digest)
    return digest
  }
}
