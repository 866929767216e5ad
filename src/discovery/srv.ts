/**
 * Endpoints from SRV records (RFC 2782): DNS tells hosts with their ports, priorities and weights. The addresses of a host
 * are those that came with the answer; if none did, they are asked for.
 */
import { Resolver } from 'node:dns'
import type { EndpointSink, EndpointSource, EndpointSpec } from '../backend/endpoint-source.ts'
import type { SourceContext } from '../backend/settings.ts'
import { Bound } from './bounded.ts'
import { askDns, DnsFailure } from './dns-question.ts'
import { type DnsServer, parseDnsServer } from './dns-server.ts'
import { HostAddresses, inWords, type MakeResolver, type NameResolver, nodeResolver } from './host-addresses.ts'
import { type Looked, LookTimes, type LookTimesOptions } from './look-times.ts'
import { type SrvAnswer, type SrvRecord, srvAnswerOf } from './srv-records.ts'
import { type SrvEndpoint, weighted } from './srv-weights.ts'

/** Questions for addresses of hosts at a time: a server drops what comes faster than it answers. */
const QUESTIONS_AT_A_TIME = 16

/** More than a host has; a name for a fleet is one for `dns`. A thousand targets times this are still no burden. */
const MAX_ADDRESSES_OF_HOST = 64

export interface SrvSourceOptions extends LookTimesOptions {
  /** `_service._proto.name` */
  readonly name: string
  /** `ip` or `ip:port`; none: those of the system. */
  readonly servers: readonly string[]
  readonly maxEndpoints: number
  readonly endpointsAt: (all: readonly SrvEndpoint[]) => readonly EndpointSpec[]
}

export interface SrvSourceContext extends SourceContext {
  readonly makeResolver?: MakeResolver
}

/** What came of the questions for addresses. */
interface Asked {
  readonly ttlMs: number
  readonly problem: string | undefined
}

export class SrvSource implements EndpointSource {
  readonly #options: SrvSourceOptions
  readonly #context: SrvSourceContext
  readonly #times: LookTimes
  /** Before addresses are asked for: an answer must not cause thousands of questions. */
  readonly #records: Bound<SrvRecord>
  readonly #endpoints: Bound<SrvEndpoint>
  readonly #closing = new AbortController()
  #sink: EndpointSink | undefined
  #resolver: NameResolver | undefined
  /** The targets of the records that were used last. */
  #hosts: ReadonlyMap<string, HostAddresses> = new Map()

  constructor(options: SrvSourceOptions, context: SrvSourceContext) {
    this.#options = options
    this.#context = context
    const { maxEndpoints: most } = options
    const { random } = context
    this.#records = new Bound({ most, what: 'SRV records', keyOf: keyOfRecord, rankOf, random })
    this.#endpoints = new Bound({ most, what: 'addresses', keyOf: keyOfEndpoint, rankOf, random })
    const onFailed = (error: Error) => this.#sink?.onError(`${options.name}: ${reasonOf(error)}`)
    this.#times = new LookTimes(options, context, () => this.#look(), onFailed)
  }

  start(sink: EndpointSink): void {
    this.#sink = sink
    this.#times.start()
  }

  refresh(): void {
    this.#times.soon()
  }

  close(): void {
    this.#sink = undefined
    this.#times.close()
    this.#closing.abort()
    this.#resolver?.cancel()
  }

  async #look(): Promise<Looked> {
    try {
      const answer = await this.#ask()
      if (answer.records.length === 0) throw new Error(answer.remark ?? 'has no SRV records')
      return await this.#follow(answer)
    } finally {
      this.#resolver = undefined
    }
  }

  async #ask(): Promise<SrvAnswer> {
    const { name, servers } = this.#options
    const all = (servers.length > 0 ? servers : serversOfSystem()).map(parseDnsServer)
    const { clock } = this.#context
    const known = all.filter((server): server is DnsServer => server !== undefined)
    const context = { clock, servers: known, signal: this.#closing.signal }
    return srvAnswerOf(name, await askDns(name, 'SRV', context))
  }

  async #follow({ records: all, glue, ttlMs, remark }: SrvAnswer): Promise<Looked> {
    const { used: records, remark: tooMany } = this.#records.of(all)
    const before = this.#hosts
    this.#hosts = new Map(records.map(({ target }) => [target, before.get(target) ?? new HostAddresses(target)]))
    for (const [target, addresses] of glue) this.#hosts.get(target)?.know(addresses)
    const endpoints = () => weighted(records, target => this.#addressesOf(target))
    const best = Math.min(...records.map(rankOf))
    const unknown = [...this.#hosts.values()].filter(({ host }) => !glue.has(host))
    const asked = await this.#askForAll(unknown, () => this.#tellFirst(endpoints, best))
    const found = endpoints()
    if (found.length === 0) throw new Error(asked.problem ?? 'its targets have no addresses')
    this.#tell(found, tooMany ?? asked.problem ?? this.#crowded ?? remark)
    return { ttlMs: Math.min(ttlMs, asked.ttlMs), partial: asked.problem !== undefined }
  }

  #addressesOf(target: string): readonly string[] {
    return this.#hosts.get(target)?.all.slice(0, MAX_ADDRESSES_OF_HOST) ?? []
  }

  get #crowded(): string | undefined {
    const many = [...this.#hosts.values()].find(({ all }) => all.length > MAX_ADDRESSES_OF_HOST)
    return many && `${many.host} has ${many.all.length} addresses, and ${MAX_ADDRESSES_OF_HOST} of them are used`
  }

  /** While nothing is known, calls wait: they do not wait for the slowest answer, nor go to a host in reserve. */
  #tellFirst(endpoints: () => readonly SrvEndpoint[], best: number): void {
    if (!this.#endpoints.isNew) return
    const known = endpoints()
    if (known.some(({ priority }) => priority === best)) this.#tell(known, undefined)
  }

  #tell(endpoints: readonly SrvEndpoint[], remark: string | undefined): void {
    const { name, endpointsAt } = this.#options
    const { used, remark: said = remark } = this.#endpoints.of(endpoints)
    this.#sink?.onEndpoints(endpointsAt(used), said && `${name}: ${said}`)
  }

  /** What cannot be had leaves the addresses from before. */
  async #askForAll(hosts: readonly HostAddresses[], onSome: () => void): Promise<Asked> {
    const waiting = hosts.toReversed()
    let ttlMs = Number.POSITIVE_INFINITY
    const problems: string[] = []
    if (waiting.length > 0) onSome()
    const askSome = async () => {
      for (let host = waiting.pop(); host !== undefined && this.#sink !== undefined; host = waiting.pop()) {
        const answer = await host.ask(this.#oneResolver, onSome)
        if ('problem' in answer) problems.push(`${host.host}: ${answer.problem}`)
        else ttlMs = Math.min(ttlMs, answer.ttlMs)
      }
    }
    await Promise.all(Array.from({ length: QUESTIONS_AT_A_TIME }, askSome))
    // Whichever came first, the same is told: it is said once.
    return { ttlMs, problem: problems.sort()[0] }
  }

  readonly #oneResolver = (): NameResolver => {
    const { makeResolver = () => nodeResolver(this.#options.servers) } = this.#context
    this.#resolver ??= makeResolver()
    return this.#resolver
  }
}

/** As they are now: those that the process began with may have gone. */
function serversOfSystem(): string[] {
  return new Resolver().getServers()
}

function reasonOf(error: Error): string {
  if (!(error instanceof DnsFailure)) return error.message
  return error.code === 'ENOTFOUND' ? 'there is no such name in DNS (NXDOMAIN): write it in full' : inWords(error.code)
}

/** If there are too many, those that are used first count first. */
const rankOf = ({ priority }: { readonly priority: number }) => priority
const keyOfRecord = ({ target, port, priority }: SrvRecord) => `${priority} ${target} ${port}`
const keyOfEndpoint = ({ ip, port }: SrvEndpoint) => `${ip} ${port}`
