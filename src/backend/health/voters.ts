/**
 * What clients have seen at an endpoint during an interval, so that one of them cannot speak for all. A client that makes a
 * backend answer INTERNAL by what it sends, a thousand times a second, has one vote like any other; `crowd.ts` says who is
 * one. Of several voters the quarter that tells the worst does not count, and where the backend has several, what only one
 * of them has seen at an endpoint says nothing about it.
 */
import type { ClientShare } from '../client-share.ts'
import type { Crowd } from './crowd.ts'

/** More clients than this are a sample: it says as much, and bounds what is kept for each endpoint. */
export const MAX_CLIENTS = 64
/** This part of the voters is not listened to. */
const TRIMMED_PART = 1 / 4

/** What one client has seen. */
interface Seen {
  readonly prefix: string
  /** Its place in the sample. */
  readonly lot: number
  succeeded: number
  failed: number
  lastFailed: boolean
}

export class Voters {
  readonly #crowd: Crowd
  readonly #clients = new Map<ClientShare, Seen>()
  /** Another one for each interval, so that each has another sample. */
  readonly #draw: number
  #calls = 0
  /** The highest lot of the sample, once somebody had to leave it. */
  #last = Number.POSITIVE_INFINITY

  constructor(crowd: Crowd) {
    this.#crowd = crowd
    this.#draw = crowd.draw()
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
    const { prefix, lot: drawn } = this.#crowd.see(client)
    const lot = (drawn + this.#draw) % 1
    if (lot >= this.#last) return undefined
    const seen: Seen = { prefix, lot, succeeded: 0, failed: 0, lastFailed: false }
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
    return trimmedMean(this.#byVoter(this.#clients).map(successRateOf))
  }

  /** How many calls there were. Of several clients one counts for half of `enough` at most. */
  volume(enough: number): number {
    if (this.#calls < enough || !this.#crowd.several || this.#last < Number.POSITIVE_INFINITY) return this.#calls
    if (this.#byVoter(this.#clients).length < 2) return 0
    let volume = 0
    for (const { succeeded, failed } of this.#clients.values()) volume += Math.min(succeeded + failed, enough / 2)
    return volume
  }

  /** More than half of them failed at their last call, and not only one of several. @param before of the interval before */
  mostFailed(before: Voters): boolean {
    const voters = this.#byVoter(new Map([...before.#clients, ...this.#clients]))
    const failed = voters.filter(clients => isMost(clients.filter(hasFailed).length, clients.length)).length
    return isMost(failed, voters.length) && (failed > 1 || !this.#crowd.several)
  }

  /** What was before does not count any more, but who it was that called does. */
  forgive(before: Voters): void {
    for (const [client, seen] of [...before.#clients, ...this.#clients])
      this.#clients.set(client, { ...seen, succeeded: 0, failed: 0, lastFailed: false })
  }

  /** What the clients of each voter have seen. */
  #byVoter(clients: ReadonlyMap<ClientShare, Seen>): Seen[][] {
    if (!this.#crowd.byAddress) return [...clients.values()].map(seen => [seen])
    const byPrefix = new Map<string, Seen[]>()
    for (const seen of clients.values()) {
      const same = byPrefix.get(seen.prefix)
      if (same === undefined) byPrefix.set(seen.prefix, [seen])
      else same.push(seen)
    }
    return [...byPrefix.values()]
  }
}

function successRateOf(clients: readonly Seen[]): number {
  return clients.length === 1 ? rateOf(clients[0]!) : trimmedMean(clients.map(rateOf))
}

function rateOf({ succeeded, failed }: Seen): number {
  return succeeded / (succeeded + failed)
}

function hasFailed({ lastFailed }: Seen): boolean {
  return lastFailed
}

/** The mean without the lowest part. */
function trimmedMean(rates: number[]): number {
  if (rates.length <= 1) return rates[0] ?? 1
  const kept = rates.sort((one, other) => one - other).slice(Math.ceil(rates.length * TRIMMED_PART))
  return kept.reduce((sum, rate) => sum + rate, 0) / kept.length
}

function isMost(count: number, all: number): boolean {
  return count * 2 > all
}
