/**
 * A list of endpoints that comes while the proxy runs, checked as that of a configuration.
 *
 * To check ten thousand entries takes tens of milliseconds, in which no call goes on. Mostly one entry has changed, so what
 * the last list had is known to be right, and only what is new is checked.
 */
import { type EndpointSpec, endpointSpecs, type WeightedAddress } from '../backend/endpoint-source.ts'
import { placesBefore } from '../backend/kept-places.ts'
import { checkBackends } from './checks/backends.ts'
import type { Dialling } from './dialling.ts'
import { findingsOf } from './findings.ts'
import { ConfigError, type Finding, formatPath } from './problems.ts'
import { endpointList } from './schema/endpoints.ts'

/** @throws ConfigError with everything that is wrong, as of that backend */
export function addressesOf(list: unknown, backend: string, dialling: Dialling): readonly WeightedAddress[] {
  const { addresses, wrong } = read(list, backend, dialling)
  if (wrong.length === 0) return addresses
  throw new ConfigError(wrong.map(({ path, message }) => ({ path: formatPath(path), message })))
}

/** @throws Error that says the first thing that is wrong, as of a list that stands alone */
export function specsOf(list: unknown, dialling: Dialling): readonly EndpointSpec[] {
  const { addresses, wrong } = read(list, 'list', dialling)
  if (wrong.length > 0) throw new Error(inList(wrong[0]!))
  return endpointSpecs(addresses)
}

interface Checked {
  readonly addresses: readonly WeightedAddress[]
  readonly wrong: readonly Finding[]
}

/** A list as it was written, and what its entries are. */
interface GoodList {
  readonly entries: readonly unknown[]
  readonly addresses: readonly WeightedAddress[]
}

/** The last one for each backend's way of dialling. */
const lastLists = new WeakMap<Dialling, GoodList>()

/** What of a list is known from now on. Entries are copied: who has them may change them. */
export function remember(list: readonly unknown[], addresses: readonly WeightedAddress[], dialling: Dialling): void {
  lastLists.set(dialling, { entries: list.map(copyOf), addresses })
}

function read(list: unknown, backend: string, dialling: Dialling): Checked {
  const last = lastLists.get(dialling)
  if (!Array.isArray(list) || last === undefined) {
    const checked = check(list, backend, dialling)
    if (Array.isArray(list) && checked.wrong.length === 0) remember(list, checked.addresses, dialling)
    return checked
  }
  const good = readNew(list, last, backend, dialling)
  if (good !== undefined) {
    lastLists.set(dialling, good)
    return { addresses: good.addresses, wrong: [] }
  }
  return check(list, backend, dialling)
}

/** Checks only what is new. @returns undefined where something is wrong, or may be: then all has to be checked */
function readNew(list: readonly unknown[], last: GoodList, backend: string, dialling: Dialling): GoodList | undefined {
  if (list.length === 0) return undefined
  const places = placesBefore(list, last.entries, areAlike, textOf)
  const fresh = list.filter((_, i) => places[i] === -1)
  const checked = fresh.length === 0 ? undefined : check(fresh, backend, dialling)
  if (checked !== undefined && checked.wrong.length > 0) return undefined
  let next = 0
  const addresses = list.map((_, i) => last.addresses[places[i]!] ?? checked!.addresses[next++]!)
  // Each may be right where none of them uses `tls`, which then is a mistake.
  if (dialling.tls !== undefined && !addresses.some(({ tls }) => tls !== undefined)) return undefined
  return { entries: list.map((entry, i) => last.entries[places[i]!] ?? copyOf(entry)), addresses }
}

function textOf(entry: unknown): unknown {
  return isPlain(entry) ? (entry.address ?? entry.name) : entry
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function copyOf(entry: unknown): unknown {
  return isPlain(entry) && !Object.isFrozen(entry) ? { ...entry } : entry
}

/** Of an object that is more than its fields nothing is known. */
function areAlike(one: unknown, other: unknown): boolean {
  if (typeof one === 'string') return one === other
  if (!isPlain(one) || !isPlain(other)) return false
  if (one === other) return true
  let fields = 0
  for (const name in one) {
    if (!Object.is(one[name], other[name])) return false
    fields++
  }
  for (const _ in other) fields--
  return fields === 0
}

function check(list: unknown, backend: string, dialling: Dialling): Checked {
  const parsed = endpointList.safeParse(list, { reportInput: true, jitless: true })
  const { tls } = dialling
  // The checks only ask whether there is `tls`, and a name in it.
  const alike = { backends: { [backend]: { endpoints: list, ...(tls && { tls: { serverName: tls.serverName } }) } } }
  const base = ['backends', backend, 'endpoints']
  const found = [...(parsed.success ? [] : findingsOf(parsed.error.issues, base)), ...checkBackends(alike)]
  const addresses = parsed.success ? parsed.data.map(endpoint => dialling.addressOf(endpoint)) : []
  return { addresses, wrong: found.filter(({ warning }) => !warning) }
}

/** Entries are counted from 1. */
function inList({ path: [, , section, entry, ...inner], message }: Finding): string {
  if (section === 'tls') return `tls of the backend: ${message}`
  if (typeof entry !== 'number') return message
  return [`entry ${entry + 1}`, ...inner, message].join(': ')
}
