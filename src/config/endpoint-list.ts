/**
 * A list of endpoints that comes while the proxy runs, checked as that of a configuration.
 *
 * To check ten thousand entries takes tens of milliseconds, in which no call goes on. Mostly one entry has changed, so what
 * the last list had is known to be right, and only what is new is checked.
 */
import { type EndpointSpec, endpointSpecs, type WeightedAddress } from '../backend/endpoint-source.ts'
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

/** With more that are not where they were, it pays to look for them all over the last list. */
const MANY = 50

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
  const entries: unknown[] = new Array(list.length)
  const addresses: WeightedAddress[] = new Array(list.length)
  const fresh = compare(list, last, entries, addresses)
  if (list.length === 0) return undefined
  if (fresh.length > 0) {
    const checked = check(
      fresh.map(i => list[i]),
      backend,
      dialling,
    )
    if (checked.wrong.length > 0) return undefined
    fresh.forEach((i, at) => {
      entries[i] = copyOf(list[i])
      addresses[i] = checked.addresses[at]!
    })
  }
  // Each may be right where none of them uses `tls`, which then is a mistake.
  if (dialling.tls !== undefined && !addresses.some(({ tls }) => tls !== undefined)) return undefined
  return { entries, addresses }
}

/** Fills in what the last list had, too. @returns the places of the others */
function compare(
  list: readonly unknown[],
  last: GoodList,
  entries: unknown[],
  addresses: WeightedAddress[],
): readonly number[] {
  const fill = (i: number, from: number): void => {
    entries[i] = last.entries[from]
    addresses[i] = last.addresses[from]!
  }
  const others: number[] = []
  // Mostly they are where they were, or one further on, as one was put in before or taken away.
  let from = 0
  for (let i = 0; i < list.length; i++) {
    if (!areAlike(list[i], last.entries[from]) && areAlike(list[i], last.entries[from + 1])) from++
    if (areAlike(list[i], last.entries[from])) fill(i, from++)
    else others.push(i)
  }
  if (others.length < MANY) return others
  const places = new Map(last.entries.map((entry, at) => [textOf(entry), at]))
  return others.filter(i => {
    const at = places.get(textOf(list[i]))
    if (at === undefined || !areAlike(list[i], last.entries[at])) return true
    fill(i, at)
    return false
  })
}

function textOf(entry: unknown): unknown {
  return isPlain(entry) ? (entry.address ?? entry.name) : entry
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function copyOf(entry: unknown): unknown {
  return isPlain(entry) ? { ...entry } : entry
}

/** Of an object that is more than its fields nothing is known. */
function areAlike(one: unknown, other: unknown): boolean {
  if (typeof one === 'string') return one === other
  if (!isPlain(one) || !isPlain(other)) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every(key => Object.is(one[key], other[key]))
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
