/**
 * Where the endpoints of a backend come from: the configuration's list, a name service, code. A source tells whole
 * lists; what is new in one, and what has left, is for the backend to find out.
 */
import { nodeCrypto } from '../transport/node-tls.ts'
import type { DialAddress } from '../transport/transport.ts'

/** An endpoint as its source knows it. */
export interface EndpointSpec {
  /** Which endpoint it is: one with the same key keeps its sessions. See `keyOf`. */
  readonly key: string
  readonly address: DialAddress
  /** Its part of the calls, where the balancer knows parts. */
  readonly weight: number
  /** Where it is, `''` if that is not known. */
  readonly locality: string
  /** 0 comes first. */
  readonly priority: number
}

/** What a source tells. */
export interface EndpointSink {
  /** All that there are now; none is an answer too. */
  onEndpoints(all: readonly EndpointSpec[]): void
  /** It cannot say which there are. Those that it told last stay. */
  onError(reason: string): void
}

export interface EndpointSource {
  /** Once. It may tell its first list at once, or later. */
  start(sink: EndpointSink): void
  /**
   * A session was lost, or could not be had: there may be other endpoints by now. It is asked often while an endpoint is
   * down, and sees to it itself that it does not ask others as often.
   */
  refresh(): void
  /** It tells nothing more. */
  close(): void
}

/** The list that the configuration has. */
export class StaticSource implements EndpointSource {
  readonly #addresses: readonly DialAddress[]

  constructor(addresses: readonly DialAddress[]) {
    this.#addresses = addresses
  }

  start(sink: EndpointSink): void {
    sink.onEndpoints(endpointSpecs(this.#addresses))
  }

  refresh(): void {
    // The list stays as it is.
  }

  close(): void {
    // Nothing runs.
  }
}

/** Addresses without more, alike in all. One that is there twice gets two shares: it is two endpoints. */
export function endpointSpecs(addresses: readonly DialAddress[]): EndpointSpec[] {
  const times = new Map<string, number>()
  return addresses.map(address => {
    const key = keyOf(address)
    const before = times.get(key) ?? 0
    times.set(key, before + 1)
    return { key: before === 0 ? key : `${key}#${before + 1}`, address, weight: 1, locality: '', priority: 0 }
  })
}

/** All that makes a session what it is: the address, TLS with its certificates, and which function connects. */
export function keyOf({ name, tcp, unix, connect, tls }: DialAddress): string {
  const to = tcp === undefined ? unix : `${tcp.host}:${tcp.port}`
  return JSON.stringify([name, to, connect && numberOf(connect), tls && tlsKeyOf(tls)])
}

const numbers = new WeakMap<object, number>()
let lastNumber = 0

/** Two functions are never the same, whatever their text. */
function numberOf(connect: object): number {
  const known = numbers.get(connect)
  if (known !== undefined) return known
  numbers.set(connect, ++lastNumber)
  return lastNumber
}

function tlsKeyOf({ serverName, ca, cert, key }: NonNullable<DialAddress['tls']>): unknown[] {
  return [serverName, digestOf(ca), digestOf(cert), digestOf(key)]
}

/** So that a private key is not kept in a second place. */
function digestOf(pem: string | Buffer | undefined): string | undefined {
  return pem === undefined ? undefined : nodeCrypto().createHash('sha256').update(pem).digest('base64')
}
