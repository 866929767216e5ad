/**
 * Endpoints from DNS: the addresses (A and AAAA) of a name, asked for again when their time to live is over.
 *
 * The name goes to the DNS servers as it is written. A hosts file and search domains are not used: what they say has no
 * time to live.
 */
import type { EndpointSink, EndpointSource, EndpointSpec } from '../backend/endpoint-source.ts'
import type { SourceContext } from '../backend/settings.ts'
import { Bound } from './bounded.ts'
import { HostAddresses, type MakeResolver, type NameResolver, nodeResolver } from './host-addresses.ts'
import { type Looked, LookTimes, type LookTimesOptions } from './look-times.ts'

export interface DnsSourceOptions extends LookTimesOptions {
  readonly host: string
  /** `ip` or `ip:port`; none: those of the system. */
  readonly servers: readonly string[]
  readonly maxEndpoints: number
  readonly endpointsAt: (addresses: readonly string[]) => readonly EndpointSpec[]
}

export interface DnsSourceContext extends SourceContext {
  readonly makeResolver?: MakeResolver
}

export class DnsSource implements EndpointSource {
  readonly #options: DnsSourceOptions
  readonly #context: DnsSourceContext
  readonly #times: LookTimes
  readonly #addresses: HostAddresses
  readonly #bound: Bound<string>
  #sink: EndpointSink | undefined
  #resolver: NameResolver | undefined

  constructor(options: DnsSourceOptions, context: DnsSourceContext) {
    this.#options = options
    this.#context = context
    this.#addresses = new HostAddresses(options.host)
    const { maxEndpoints: most } = options
    this.#bound = new Bound({ most, what: 'addresses', keyOf: ip => ip, random: context.random })
    const onFailed = ({ message }: Error) => this.#sink?.onError(`${options.host}: ${message}`)
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
    this.#resolver?.cancel()
  }

  async #look(): Promise<Looked> {
    const { makeResolver = () => nodeResolver(this.#options.servers) } = this.#context
    const resolver = () => (this.#resolver ??= makeResolver())
    try {
      // While nothing is known, calls wait: they do not wait for the slower of the two answers.
      const answer = await this.#addresses.ask(resolver, () => this.#tell())
      if ('problem' in answer) throw new Error(answer.problem)
      this.#tell(answer.remark)
      return { ttlMs: answer.ttlMs, partial: false }
    } finally {
      this.#resolver = undefined
    }
  }

  #tell(remarkOfAnswer?: string): void {
    const { host, endpointsAt } = this.#options
    const { used, remark = remarkOfAnswer } = this.#bound.of(this.#addresses.all)
    this.#sink?.onEndpoints(endpointsAt(used), remark && `${host}: ${remark}`)
  }
}
