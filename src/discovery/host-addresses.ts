/** The addresses (A and AAAA) of one name, as DNS told them last. */
import { Resolver } from 'node:dns/promises'
import { BlockList } from 'node:net'

/** How long the first question to a DNS server waits; the next ones wait longer (c-ares doubles it). */
export const TIMEOUT_MS = 1_000
/** How often a question is asked before it has failed. With the waits above this is some seconds. */
export const TRIES = 3

/** What is used of Node's resolver. */
export interface NameResolver {
  resolve4(host: string, options: { ttl: true }): Promise<readonly TimedAddress[]>
  resolve6(host: string, options: { ttl: true }): Promise<readonly TimedAddress[]>
  cancel(): void
}

export interface TimedAddress {
  readonly address: string
  /** Seconds. Node before 24 does not tell it of more than 256 addresses. */
  readonly ttl: number | undefined
}

/** Made anew for each look, so that the system's list of servers is read as it is then. */
export type MakeResolver = () => NameResolver

/** @param servers `ip` or `ip:port`; none: those of the system */
export function nodeResolver(servers: readonly string[]): NameResolver {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
  if (servers.length > 0) resolver.setServers(servers)
  return resolver
}

type Family = 'A' | 'AAAA'
type Known = Readonly<Record<Family, readonly string[]>>

/** What came of a question for one kind of record. */
interface Answer {
  readonly addresses: readonly string[]
  /** The shortest of them. */
  readonly ttlMs: number
  /** The code of the error, if there is one. */
  readonly error?: string
  /** An address that nobody can have, if there is one. */
  readonly impossible?: string | undefined
}

/** What came of a look. */
export type HostAnswer = { readonly ttlMs: number; readonly remark: string | undefined } | { readonly problem: string }

export class HostAddresses {
  readonly host: string
  #known: Known = { A: [], AAAA: [] }
  /** Of both kinds, each once. Servers give the same addresses in another order each time: that is no change. */
  all: readonly string[] = []

  constructor(host: string) {
    this.host = host
  }

  /** They came with the answer to another question. */
  know(addresses: readonly string[]): void {
    const isOfV6 = (address: string) => address.includes(':')
    this.#keep({ A: addresses.filter(address => !isOfV6(address)), AAAA: addresses.filter(isOfV6) })
  }

  /**
   * Asks for both kinds of records. If nothing comes, those from before stay.
   * @param onFirst called when one of the answers makes the first addresses known, before the other has come
   */
  async ask(makeResolver: MakeResolver, onFirst?: () => void): Promise<HostAnswer> {
    const [a, aaaa] = await Promise.all([
      this.#ask('A', () => makeResolver().resolve4(this.host, { ttl: true }), onFirst),
      this.#ask('AAAA', () => makeResolver().resolve6(this.host, { ttl: true }), onFirst),
    ])
    if (a.addresses.length + aaaa.addresses.length === 0) return { problem: reasonOf(a.error, aaaa.error) }
    // If a server fails for one kind of record, nothing is known of these: those from before stay.
    const kept = (family: Family, { addresses, error }: Answer) =>
      error === undefined || isNone(error) ? addresses : this.#known[family]
    this.#keep({ A: kept('A', a), AAAA: kept('AAAA', aaaa) })
    return { ttlMs: Math.min(a.ttlMs, aaaa.ttlMs), remark: leftOut(a.impossible ?? aaaa.impossible) }
  }

  #keep(known: Known): void {
    this.#known = known
    this.all = [...new Set([...known.A, ...known.AAAA])].sort()
  }

  async #ask(family: Family, question: () => Promise<readonly TimedAddress[]>, onFirst?: () => void): Promise<Answer> {
    const answer = await answerOf(question)
    const { A, AAAA } = this.#known
    if (A.length + AAAA.length === 0 && answer.addresses.length > 0) {
      this.#keep({ ...this.#known, [family]: answer.addresses })
      onFirst?.()
    }
    return answer
  }
}

async function answerOf(ask: () => Promise<readonly TimedAddress[]>): Promise<Answer> {
  try {
    const records = await ask()
    const all = records.map(({ address }) => address)
    const addresses = all.filter(isPossible)
    const impossible = all.find(address => !isPossible(address))
    if (addresses.length > 0) return { addresses, impossible, ttlMs: shortestMs(records.map(({ ttl }) => ttl)) }
    const error = impossible === undefined ? 'ENODATA' : 'EIMPOSSIBLE'
    return { addresses, ttlMs: Number.POSITIVE_INFINITY, error }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return { addresses: [], ttlMs: Number.POSITIVE_INFINITY, error: code ?? message }
  }
}

/** @param ttls in seconds @returns 0 for one of 2^31 and more: "treat TTL values … as if the entire value received was zero" (RFC 2181 §8) */
export function shortestMs(ttls: readonly (number | undefined)[]): number {
  let shortest = Number.POSITIVE_INFINITY
  for (const ttl of ttls) {
    if (ttl !== undefined) shortest = Math.min(shortest, ttl < 0 || ttl >= 2 ** 31 ? 0 : ttl * 1_000)
  }
  return shortest
}

/** Nobody can listen on these: "this host", multicast, broadcast. A connect to the first would be one to ourselves. */
const IMPOSSIBLE = new BlockList()
IMPOSSIBLE.addSubnet('0.0.0.0', 8)
IMPOSSIBLE.addSubnet('224.0.0.0', 4)
IMPOSSIBLE.addAddress('255.255.255.255')
IMPOSSIBLE.addAddress('::', 'ipv6')
IMPOSSIBLE.addSubnet('ff00::', 8, 'ipv6')

export function isPossible(address: string): boolean {
  return !IMPOSSIBLE.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
}

/** A remark about an address of an answer. */
export function leftOut(impossible: string | undefined): string | undefined {
  return impossible && `${impossible} is left out: no server can have this address`
}

/** The servers say that there is no such record, or no such name. */
const isNone = (error: string | undefined) => error === 'ENODATA' || error === 'ENOTFOUND'

const REASONS: Readonly<Record<string, string>> = {
  ENODATA: 'has no A and no AAAA records',
  ENOTFOUND:
    'there is no such name in DNS (NXDOMAIN): write it in full, search domains and the hosts file are not used',
  EIMPOSSIBLE: 'has only addresses on which nobody can listen',
  ESERVFAIL: 'the DNS server failed (SERVFAIL)',
  EREFUSED: 'the DNS server refuses to answer (REFUSED)',
  ETIMEOUT: 'no DNS server answered in time',
  ECONNREFUSED: 'no DNS server can be reached: look at the servers in /etc/resolv.conf',
  EBADRESP: 'the DNS server answered what is no DNS',
}

/** A code of Node's resolver, in words. */
export function inWords(code: string): string {
  return REASONS[code] ?? `DNS: ${code}`
}

/** A server that fails says more than one that has no records of the other kind. */
function reasonOf(a: string | undefined, aaaa: string | undefined): string {
  return inWords([a, aaaa].find(error => !isNone(error)) ?? (a === aaaa ? a! : 'ENODATA'))
}
