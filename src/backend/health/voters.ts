/**
 * What clients have seen at an endpoint during a while, so that one of them cannot speak for all. A client that makes a
 * backend answer INTERNAL by what it sends, a thousand times a second, has one vote like any other.
 *
 * - A voter is a client's address (an IPv4 address, or 64 bits of an IPv6 address), where there is more than one of them.
 *   Behind a load balancer that hides them it is a client's session.
 * - The quarter of the voters that tell the worst, and at least one of several, does not count.
 */
import { prefixOf } from '../../transport/address-prefix.ts'
import type { ClientShare } from '../client-share.ts'

/** More clients than this are a sample: it says as much, and bounds what is kept for each endpoint. */
export const MAX_CLIENTS = 64
/** This part of the voters is not listened to. */
const TRIMMED_PART = 1 / 4
const PREFIX_BITS = { ipv4: 32, ipv6: 64 } as const

/** Numbers by which samples are drawn: a client has the same one however many calls it makes. */
export class Lots {
  readonly #random: () => number
  readonly #lots = new WeakMap<ClientShare, number>()

  constructor(random: () => number) {
    this.#random = random
  }

  /** Another number to begin with makes another sample. */
  begin(): number {
    return this.#random()
  }

  of(client: ClientShare, begin: number): number {
    const lot = this.#lots.get(client) ?? this.#random()
    this.#lots.set(client, lot)
    return (lot + begin) % 1
  }
}

/** What one client has seen. */
interface Seen {
  readonly lot: number
  succeeded: number
  failed: number
  lastFailed: boolean
}

export class Voters {
  readonly #clients = new Map<ClientShare, Seen>()
  readonly #lots: Lots
  readonly #begin: number
  #calls = 0
  /** The highest lot of the sample, once somebody had to leave it. */
  #last = Number.POSITIVE_INFINITY

  constructor(lots: Lots) {
    this.#lots = lots
    this.#begin = lots.begin()
  }

  count(client: ClientShare, failed: boolean): void {
    this.#calls++
    const seen = this.#clients.get(client) ?? this.#join(client)
    if (seen === undefined) return
    if (failed) seen.failed++
    else seen.succeeded++
    seen.lastFailed = failed
  }

  /** Those with the lowest lots are the sample: each client has the same chance to be in it. */
  #join(client: ClientShare): Seen | undefined {
    const lot = this.#lots.of(client, this.#begin)
    if (lot >= this.#last) return undefined
    const seen: Seen = { lot, succeeded: 0, failed: 0, lastFailed: false }
    this.#clients.set(client, seen)
    if (this.#clients.size > MAX_CLIENTS) this.#removeLast()
    return seen
  }

  #removeLast(): void {
    const [first, second] = [...this.#clients].sort(([, one], [, other]) => other.lot - one.lot)
    this.#clients.delete(first![0])
    this.#last = second![1].lot
  }

  /** Of their calls those that succeeded, from 0 to 1. */
  get successRate(): number {
    return trimmedMean(byVoter(this.#clients).map(clients => trimmedMean(clients.map(rateOf))))
  }

  /** How many calls there were. Of several clients one counts for half of `enough` at most. */
  volume(enough: number): number {
    const { size } = this.#clients
    if (size === 1 || this.#last < Number.POSITIVE_INFINITY) return this.#calls
    let volume = 0
    for (const { succeeded, failed } of this.#clients.values()) volume += Math.min(succeeded + failed, enough / 2)
    return volume
  }

  /** More than half of them failed at their last call. @param before the voters of the while before */
  mostFailed(before: Voters): boolean {
    const voters = byVoter(new Map([...before.#clients, ...this.#clients]))
    return isMost(voters.map(clients => isMost(clients.map(({ lastFailed }) => lastFailed))))
  }
}

/** What the clients of each voter have seen. */
function byVoter(clients: ReadonlyMap<ClientShare, Seen>): Seen[][] {
  const byAddress = new Map<string, Seen[]>()
  for (const [{ peer }, seen] of clients) {
    const prefix = prefixOf(hostOf(peer), PREFIX_BITS)
    const same = byAddress.get(prefix)
    if (same === undefined) byAddress.set(prefix, [seen])
    else same.push(seen)
  }
  return byAddress.size > 1 ? [...byAddress.values()] : [...clients.values()].map(seen => [seen])
}

/** `203.0.113.7:54321` and `[2001:db8::1]:54321` without the port. */
function hostOf(peer: string): string {
  const end = peer.lastIndexOf(':')
  return end < 0 ? peer : peer.slice(0, end).replace(/^\[(.*)\]$/, '$1')
}

function rateOf({ succeeded, failed }: Seen): number {
  return succeeded / (succeeded + failed)
}

/** The mean without the lowest part. */
function trimmedMean(rates: number[]): number {
  if (rates.length <= 1) return rates[0] ?? 1
  const kept = rates.sort((one, other) => one - other).slice(Math.ceil(rates.length * TRIMMED_PART))
  return kept.reduce((sum, rate) => sum + rate, 0) / kept.length
}

function isMost(votes: readonly boolean[]): boolean {
  return votes.filter(vote => vote).length * 2 > votes.length
}
