/**
 * The sources of endpoints that a configuration can name. What is here is data and can be compared: a source itself is
 * made, and its code loaded, when a backend starts it.
 */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { type EndpointSource, endpointSpecs, StaticSource } from '../backend/endpoint-source.ts'
import type { SourceContext, SourceSetup } from '../backend/settings.ts'
import { LazySource } from '../discovery/lazy.ts'
import type { LookTimesOptions } from '../discovery/look-times.ts'
import type { SrvSourceOptions as SrvLooks } from '../discovery/srv.ts'
import { parseEndpointAddress, parseServiceName } from './address.ts'
import type { Dialling } from './dialling.ts'
import { specsOf } from './endpoint-list.ts'
import type { DnsSourceOptions, FileSourceOptions, SrvSourceOptions } from './options.ts'
import type { OwnSource } from './own-source.ts'

/** With all defaults. */
type Filled<Options extends { readonly servers?: unknown }> = Required<Omit<Options, 'servers'>> &
  Pick<Options, 'servers'>
type DnsConfig = Filled<DnsSourceOptions>
type SrvConfig = Filled<SrvSourceOptions>
type SourceConfig = DnsConfig | SrvConfig | FileSourceOptions | OwnSource

export function sourceSetup(source: SourceConfig, folder: string, dialling: Dialling): SourceSetup {
  if ('start' in source) return new OwnSetup(source, dialling)
  if ('file' in source) return new FileSetup(resolve(folder, source.file), dialling)
  return 'srv' in source ? new SrvSetup(source, dialling) : new DnsSetup(source, dialling)
}

/** A list in a file of its own. */
export class FileSetup implements SourceSetup {
  readonly name: string
  readonly path: string
  readonly dialling: Dialling

  constructor(path: string, dialling: Dialling) {
    this.name = `file:${path}`
    this.path = path
    this.dialling = dialling
  }

  open(context: SourceContext): EndpointSource {
    return new LazySource(async () => new (await import('../discovery/file.ts')).FileSource(this.#options, context))
  }

  /** How many endpoints the file has now. @throws Error that says what is wrong with it */
  async count(): Promise<number> {
    return (await (await import('../discovery/file.ts')).readEndpoints(this.#options)).length
  }

  get #options() {
    return { path: this.path, read: (list: unknown) => specsOf(list, this.dialling) }
  }
}

/** What is the same of the sources that ask DNS. */
interface OfDns extends LookTimesOptions {
  readonly servers: readonly string[]
  readonly maxEndpoints: number
}

function ofDns(source: DnsConfig | SrvConfig): OfDns {
  const { minIntervalMs, maxIntervalMs, jitter, maxEndpoints, servers = [] } = source
  return { minIntervalMs, maxIntervalMs, jitter, maxEndpoints, servers }
}

/** The addresses of a name. */
export class DnsSetup implements SourceSetup {
  readonly name: string
  readonly address: string
  readonly questions: OfDns
  readonly dialling: Dialling

  constructor(source: DnsConfig, dialling: Dialling) {
    this.name = `dns:${source.dns}`
    this.address = source.dns
    this.questions = ofDns(source)
    this.dialling = dialling
  }

  open(context: SourceContext): EndpointSource {
    const { address, questions, dialling } = this
    const named = parseEndpointAddress(address)
    // No server is asked for these: an address is itself, and `localhost` is this machine (RFC 6761 §6.3).
    if (named.kind === 'unix' || isIP(named.host) !== 0 || /(^|\.)localhost\.?$/i.test(named.host)) {
      return new StaticSource([dialling.addressOf(address)])
    }
    const endpointsAt = (ips: readonly string[]) => endpointSpecs(ips.map(ip => dialling.addressAt(ip, named)))
    const options = { ...questions, host: named.host, endpointsAt }
    return new LazySource(async () => new (await import('../discovery/dns.ts')).DnsSource(options, context))
  }
}

/** The targets of SRV records. */
export class SrvSetup implements SourceSetup {
  readonly name: string
  readonly service: string
  readonly questions: OfDns
  readonly dialling: Dialling

  constructor(source: SrvConfig, dialling: Dialling) {
    this.name = `srv:${source.srv}`
    this.service = source.srv
    this.questions = ofDns(source)
    this.dialling = dialling
  }

  open(context: SourceContext): EndpointSource {
    const { scheme, name } = parseServiceName(this.service)
    // A certificate must be for the name that was configured: DNS, which may lie, must not choose it (RFC 6125 §1.8).
    const host = name.replace(/^(_[^.]+\.)+/, '')
    const options: SrvLooks = {
      ...this.questions,
      name,
      endpointsAt: all =>
        endpointSpecs(
          all.map(({ ip, port, priority, weight }) => ({
            ...this.dialling.addressAt(ip, { kind: 'tcp', scheme, host, port }),
            priority,
            weight,
          })),
        ),
    }
    return new LazySource(async () => new (await import('../discovery/srv.ts')).SrvSource(options, context))
  }
}

const numbers = new WeakMap<OwnSource, number>()
let lastNumber = 0

/** An object given in code. */
export class OwnSetup implements SourceSetup {
  readonly name: string
  /** Two objects are two sources, however alike they are. */
  readonly number: number
  readonly dialling: Dialling
  /** Not compared when configurations are: it may be anything. */
  readonly #source: OwnSource

  constructor(source: OwnSource, dialling: Dialling) {
    this.name = typeof source.name === 'string' ? source.name : 'code'
    this.number = numbers.get(source) ?? ++lastNumber
    numbers.set(source, this.number)
    this.#source = source
    this.dialling = dialling
  }

  open(context: SourceContext): EndpointSource {
    const options = { source: this.#source, read: (list: unknown) => specsOf(list, this.dialling) }
    return new LazySource(async () => new (await import('../discovery/own.ts')).OwnEndpoints(options, context))
  }
}
