/**
 * The latest calls that failed, for an operator who has no log at hand. Made only where there is an admin address: a call
 * that ends well costs a comparison.
 *
 * Strangers decide how many calls fail. So the same failure again is one more of it (`times`), and one client has a part of
 * the places only: it cannot push those of all others out.
 */

import type { EndedBy } from '../call/failure.ts'
import type { CallObserver } from '../call/observer.ts'
import type { CallRecord } from '../call/record.ts'
import { decodeMessage, statusName } from '../grpc/status.ts'
import { prefixOf } from '../transport/address-prefix.ts'
import { bounded, MAX_MESSAGE_CHARACTERS, shownAuthority, shownPath, shownText, withoutQueryOf } from './log-fields.ts'

/** Calls of one client that failed in the same way. Of fields that differ, those of the latest. */
export interface RecentFailure {
  /** When the latest of them ended, since the epoch. */
  readonly atMs: number
  readonly times: number
  readonly path: string
  readonly authority: string
  readonly peer: string
  readonly backend: string
  readonly endpoint: string
  /** By its name; `none` where there was none. */
  readonly status: string
  readonly message: string
  readonly endedBy: EndedBy
  /** As in the access log. */
  readonly reason: string
  readonly cause: string
  readonly durationMs: number
  /** As the access log has it. Absent where requests have none. */
  readonly requestId?: string
}

/** A few screens. What they hold of header fields is bounded by the limits of header lists. */
const MAX_FAILURES = 64
/** Places of one client. */
const MAX_OF_CLIENT = 16
/** Whoever has an IPv6 address has 2^64 of them. */
const CLIENT_BITS = { ipv4: 32, ipv6: 64 }
/** A client that changes its mind is no failure: watches end so. */
const CHANGED_ITS_MIND = 'reset-CANCEL'

/** What is kept of a record. */
type Kept = Pick<
  CallRecord,
  | ('path' | 'authority' | 'peer' | 'backend' | 'endpoint' | 'status' | 'message')
  | ('endedBy' | 'reason' | 'cause' | 'durationMs' | 'requestId')
>

interface Entry {
  readonly client: string
  readonly atMs: number
  readonly times: number
  readonly last: Kept
}

export class RecentFailures implements CallObserver {
  readonly #now: () => number
  /** The latest comes last. */
  readonly #entries: Entry[] = []
  /** Most calls that fail one after the other are of one client. */
  #host = ''
  #client = ''

  /** @param now milliseconds since the epoch */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  onEnd(record: CallRecord): void {
    if (record.status === 0 || record.reason === CHANGED_ITS_MIND) return
    const client = this.#clientOf(record.peer)
    const entries = this.#entries
    const at = entries.findIndex(entry => entry.client === client && isSame(entry.last, record))
    const before = at < 0 ? undefined : entries.splice(at, 1)[0]!
    if (before === undefined) this.#makeRoom(client)
    entries.push({ client, atMs: this.#now(), times: (before?.times ?? 0) + 1, last: keptOf(record) })
  }

  #clientOf(peer: string): string {
    const host = hostOf(peer)
    if (host !== this.#host) {
      this.#host = host
      this.#client = clientOf(peer)
    }
    return this.#client
  }

  #makeRoom(client: string): void {
    const entries = this.#entries
    let own = 0
    for (let i = 0; i < entries.length; i++) if (entries[i]!.client === client) own++
    if (own >= MAX_OF_CLIENT) {
      entries.splice(
        entries.findIndex(entry => entry.client === client),
        1,
      )
    } else if (entries.length >= MAX_FAILURES) entries.shift()
  }

  /** The latest first, as plain data. */
  latest(most: number): RecentFailure[] {
    return this.#entries
      .slice(Math.max(0, this.#entries.length - most))
      .map(shown)
      .reverse()
  }
}

function hostOf(peer: string): string {
  return peer.slice(0, Math.max(0, peer.lastIndexOf(':')))
}

function clientOf(peer: string): string {
  const host = hostOf(peer)
  return host.startsWith('[') ? prefixOf(host.slice(1, -1), CLIENT_BITS) : host
}

/** What several proxies have kept, the latest first: the same failure in two of them is one. */
export function failuresTogether(all: readonly RecentFailure[]): RecentFailure[] {
  const byKind = new Map<string, RecentFailure>()
  for (const one of all.toSorted((a, b) => b.atMs - a.atMs)) {
    const { peer, reason, status, path, backend, endpoint, times } = one
    const kind = JSON.stringify([clientOf(peer), reason, status, path, backend, endpoint])
    const latest = byKind.get(kind)
    byKind.set(kind, latest === undefined ? one : { ...latest, times: latest.times + times })
  }
  return [...byKind.values()]
}

function keptOf(record: CallRecord): Kept {
  const { path, authority, peer, backend, endpoint } = record
  const { status, message, endedBy, reason, cause, durationMs, requestId } = record
  return { path, authority, peer, backend, endpoint, status, message, endedBy, reason, cause, durationMs, requestId }
}

function isSame(one: Kept, other: Kept): boolean {
  return (
    one.reason === other.reason &&
    one.status === other.status &&
    one.path === other.path &&
    one.backend === other.backend &&
    one.endpoint === other.endpoint
  )
}

function shown({ atMs, times, last }: Entry): RecentFailure {
  const { path, status, message } = last
  // A character has up to nine characters here.
  const text = withoutQueryOf(path, decodeMessage(message.slice(0, 9 * MAX_MESSAGE_CHARACTERS)))
  return {
    atMs,
    times,
    path: shownText(shownPath(path)),
    authority: shownText(shownAuthority(last.authority)),
    peer: shownText(last.peer),
    backend: shownText(last.backend),
    endpoint: shownText(last.endpoint),
    status: status < 0 ? 'none' : statusName(status),
    message: shownText(bounded(text, MAX_MESSAGE_CHARACTERS)),
    endedBy: last.endedBy,
    reason: last.reason,
    cause: shownText(last.cause),
    durationMs: Math.round(last.durationMs * 1000) / 1000,
    ...(last.requestId !== undefined && { requestId: last.requestId }),
  }
}
