/**
 * Endpoints from DNS: the addresses (A and AAAA) of a name, asked for again when their time to live is over.
 *
 * The name goes to the DNS servers of the system as it is written. A hosts file and search domains are not used: what
 * they say has no time to live.
 */
import { Resolver } from 'node:dns/promises'
import type { EndpointSink, EndpointSource, EndpointSpec } from '../backend/endpoint-source.ts'
import type { Clock, Timer } from '../transport/clock.ts'

/** How long the first question to a DNS server waits; the next ones wait longer (c-ares doubles it). */
const TIMEOUT_MS = 1_000
/** How often a question is asked before it has failed. With the waits above this is some seconds. */
const TRIES = 3

export interface DnsSourceOptions {
  readonly host: string
  /** Between two questions; also after an endpoint failed. */
  readonly minIntervalMs: number
  /** However long the records may live. */
  readonly maxIntervalMs: number
  readonly endpointsAt: (addresses: readonly string[]) => readonly EndpointSpec[]
}

/** What is used of Node's resolver. */
export interface NameResolver {
  resolve4(host: string, options: { ttl: true }): Promise<readonly TimedAddress[]>
  resolve6(host: string, options: { ttl: true }): Promise<readonly TimedAddress[]>
  cancel(): void
}

export interface TimedAddress {
  readonly address: string
  /** Seconds. */
  readonly ttl: number
}

export interface DnsSourceContext {
  readonly clock: Clock
  /** Made anew for each look, so that it reads the system's list of servers as it is then. */
  readonly makeResolver?: () => NameResolver
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
}

export class DnsSource implements EndpointSource {
  readonly #options: DnsSourceOptions
  readonly #clock: Clock
  readonly #makeResolver: () => NameResolver
  #sink: EndpointSink | undefined
  #resolver: NameResolver | undefined
  #looking = false
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #askedMs = Number.NEGATIVE_INFINITY
  /** Looks in a row that gave no address. */
  #failures = 0
  /** The last good answers. */
  #known: Known = { A: [], AAAA: [] }

  constructor(options: DnsSourceOptions, { clock, makeResolver = systemResolver }: DnsSourceContext) {
    this.#options = options
    this.#clock = clock
    this.#makeResolver = makeResolver
  }

  start(sink: EndpointSink): void {
    this.#sink = sink
    void this.#look()
  }

  /** Any number of failures are one question, and there is a pause between two of them. */
  refresh(): void {
    if (this.#looking) return
    this.#lookAt(Math.max(this.#askedMs + this.#options.minIntervalMs, this.#clock.now()))
  }

  close(): void {
    this.#sink = undefined
    this.#timer?.cancel()
    this.#resolver?.cancel()
  }

  #lookAt(atMs: number): void {
    if (this.#sink === undefined || atMs >= this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    this.#timer = this.#clock.after(Math.max(atMs - this.#clock.now(), 0), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY
      void this.#look()
    })
  }

  async #look(): Promise<void> {
    this.#looking = true
    this.#askedMs = this.#clock.now()
    const { host } = this.#options
    const [a, aaaa] = await Promise.all([
      this.#ask('A', resolver => resolver.resolve4(host, { ttl: true })),
      this.#ask('AAAA', resolver => resolver.resolve6(host, { ttl: true })),
    ])
    this.#looking = false
    this.#resolver = undefined
    if (this.#sink !== undefined) this.#lookAt(this.#clock.now() + this.#judge(a, aaaa))
  }

  async #ask(family: Family, question: (resolver: NameResolver) => Promise<readonly TimedAddress[]>): Promise<Answer> {
    const answer = await answerOf(async () => {
      // This fails where the process has no descriptors left.
      this.#resolver ??= this.#makeResolver()
      return question(this.#resolver)
    })
    // While nothing is known, calls wait: they do not wait for the slower of the two answers.
    const { A, AAAA } = this.#known
    if (A.length + AAAA.length === 0 && answer.addresses.length > 0) {
      this.#tell({ ...this.#known, [family]: answer.addresses })
    }
    return answer
  }

  #tell(known: Known): void {
    this.#known = known
    // Servers give the same addresses in another order each time. That is no change.
    const all = [...new Set([...known.A, ...known.AAAA])].sort()
    this.#sink?.onEndpoints(this.#options.endpointsAt(all))
  }

  /** @returns how long until the next question */
  #judge(a: Answer, aaaa: Answer): number {
    const { host, minIntervalMs, maxIntervalMs } = this.#options
    if (a.addresses.length + aaaa.addresses.length === 0) {
      this.#sink?.onError(`${host}: ${reasonOf(a.error, aaaa.error)}`)
      return Math.min(minIntervalMs * 2 ** Math.min(this.#failures++, 30), maxIntervalMs)
    }
    this.#failures = 0
    // If a server fails for one kind of record, nothing is known of these: those from before stay.
    const kept = (family: Family, { addresses, error }: Answer) =>
      isNone(error) || error === undefined ? addresses : this.#known[family]
    this.#tell({ A: kept('A', a), AAAA: kept('AAAA', aaaa) })
    return Math.min(Math.max(Math.min(a.ttlMs, aaaa.ttlMs), minIntervalMs), maxIntervalMs)
  }
}

function systemResolver(): NameResolver {
  return new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
}

async function answerOf(ask: () => Promise<readonly TimedAddress[]>): Promise<Answer> {
  try {
    const records = await ask()
    const ttlMs = Math.min(...records.map(({ ttl }) => ttl * 1_000))
    return {
      addresses: records.map(({ address }) => address),
      ttlMs,
      ...(records.length === 0 && { error: 'ENODATA' }),
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return { addresses: [], ttlMs: Number.POSITIVE_INFINITY, error: code ?? message }
  }
}

/** The servers say that there is no such record, or no such name. */
const isNone = (error: string | undefined) => error === 'ENODATA' || error === 'ENOTFOUND'

const REASONS: Readonly<Record<string, string>> = {
  ENODATA: 'has no A and no AAAA records',
  ENOTFOUND:
    'there is no such name in DNS (NXDOMAIN): write it in full, search domains and the hosts file are not used',
  ESERVFAIL: 'the DNS server failed (SERVFAIL)',
  EREFUSED: 'the DNS server refuses to answer (REFUSED)',
  ETIMEOUT: 'no DNS server answered in time',
  ECONNREFUSED: 'no DNS server can be reached: look at the servers in /etc/resolv.conf',
  EBADRESP: 'the DNS server answered what is no DNS',
}

/** A server that fails says more than one that has no records of the other kind. */
function reasonOf(a: string | undefined, aaaa: string | undefined): string {
  const code = [a, aaaa].find(error => !isNone(error)) ?? (a === aaaa ? a : 'ENODATA')
  return REASONS[code!] ?? `DNS: ${code}`
}
