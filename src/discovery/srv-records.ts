/** The SRV records (RFC 2782) of an answer, and the addresses of their targets that came with them. */
import type { DnsMessage, DnsRecord } from './dns-question.ts'
import { isPossible, leftOut, shortestMs } from './host-addresses.ts'

export interface SrvRecord {
  /** "A client MUST attempt to contact the target host with the lowest-numbered priority it can reach." */
  readonly priority: number
  readonly weight: number
  readonly port: number
  /** In lower case. */
  readonly target: string
}

export interface SrvAnswer {
  readonly records: readonly SrvRecord[]
  /** Addresses by target; a server need not send them. */
  readonly glue: ReadonlyMap<string, readonly string[]>
  /** The shortest of all that is here. */
  readonly ttlMs: number
  /** What is in it and of no use. */
  readonly remark: string | undefined
}

/** As long as an alias may be of an alias; more is a loop or a mistake. */
const MAX_ALIASES = 8

/** What a target may be called. What is none of these comes from an odd server, and would go into logs and questions. */
const HOST_NAME = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/** @param name that was asked for */
export function srvAnswerOf(name: string, { answers, additionals }: DnsMessage): SrvAnswer {
  const owners = ownersOf(plain(name), answers)
  const own = answers.filter(answer => answer.type === 'SRV' && owners.has(plain(answer.name)))
  const all = own.map(({ data }) => recordOf(data as SrvData))
  const records = all.filter(isOfUse)
  const targets = new Set(records.map(({ target }) => target))
  const glue = [...answers, ...additionals].filter(isAddress).filter(answer => targets.has(plain(answer.name)))
  return {
    records,
    glue: addressesBy(glue),
    ttlMs: shortestMs([...own, ...glue].map(({ ttl }) => ttl)),
    remark: remarkOn(all, glue),
  }
}

interface SrvData {
  readonly priority?: number
  readonly weight?: number
  readonly port: number
  readonly target: string
}

type AddressRecord = DnsRecord & { readonly data: string }

const plain = (name: string) => name.toLowerCase().replace(/\.$/, '')

/** The name, and what it is an alias of. */
function ownersOf(name: string, answers: readonly DnsRecord[]): ReadonlySet<string> {
  const owners = new Set([name])
  let last = name
  while (owners.size <= MAX_ALIASES) {
    const alias = answers.find(answer => answer.type === 'CNAME' && plain(answer.name) === last)
    if (alias === undefined) break
    last = plain(alias.data as string)
    if (owners.has(last)) break
    owners.add(last)
  }
  return owners
}

function recordOf({ priority = 0, weight = 0, port, target }: SrvData): SrvRecord {
  return { priority, weight, port, target: plain(target) }
}

/** "A Target of "." means that the service is decidedly not available at this domain." */
function isOfUse({ port, target }: SrvRecord): boolean {
  return port > 0 && target.length <= 253 && HOST_NAME.test(target)
}

function isAddress(answer: DnsRecord): answer is AddressRecord {
  return (answer.type === 'A' || answer.type === 'AAAA') && typeof answer.data === 'string'
}

function addressesBy(glue: readonly AddressRecord[]): Map<string, string[]> {
  const by = new Map<string, string[]>()
  for (const { name, data } of glue) {
    if (!isPossible(data)) continue
    const known = by.get(plain(name)) ?? []
    if (!known.includes(data)) known.push(data)
    by.set(plain(name), known)
  }
  return by
}

function remarkOn(all: readonly SrvRecord[], glue: readonly AddressRecord[]): string | undefined {
  const odd = all.find(record => !isOfUse(record))
  if (odd === undefined) return leftOut(glue.find(({ data }) => !isPossible(data))?.data)
  if (odd.target === '.' || odd.target === '') return 'the service is said not to be there (the target is ".")'
  return `a record is left out: its target is ${JSON.stringify(odd.target.slice(0, 64))}, its port ${odd.port}`
}
