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

/** Makes equal endpoints of addresses. An address that is there twice is two endpoints and gets two shares. */
export function endpointSpecs(addresses: readonly WeightedAddress[]): EndpointSpec[] {
  const times = new Map<string, number>()
  return addresses.map(address => {
    const key = keyOf(address)
    const before = times.get(key) ?? 0
    times.set(key, before + 1)
    return {
      key: before === 0 ? key : `${key}#${before + 1}`,
      address,
      weight: address.weight ?? 1,
      locality: address.locality ?? '',
      priority: address.priority ?? 0,
    }
  })
}

/** The key of an address: everything that a session depends on, with certificates and the connecting function. */
export function keyOf({ name, tcp, unix, connect, tls }: DialAddress): string {
  const to = tcp === undefined ? unix : `${tcp.host}:${tcp.port}`
  return JSON.stringify([name, to, connect && numberOf(connect), tls && tlsKeyOf(tls)])
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

function tlsKeyOf({ serverName, ca, cert, key }: NonNullable<DialAddress['tls']>): unknown[] {
  return [serverName, digestOf(ca), digestOf(cert), digestOf(key)]
}

/** A digest, so that no second copy of a private key is kept. */
function digestOf(pem: string | Buffer | undefined): string | undefined {
  return pem === undefined ? undefined : nodeCrypto().createHash('sha256').update(pem).digest('base64')
}
