/**
 * The sources of endpoints that a configuration can name. What is here is data and can be compared: a source itself is
 * made, and its code loaded, when a backend starts it.
 */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { type EndpointSource, type EndpointSpec, endpointSpecs, StaticSource } from '../backend/endpoint-source.ts'
import type { SourceContext, SourceSetup } from '../backend/settings.ts'
import { LazySource } from '../discovery/lazy.ts'
import { parseEndpointAddress } from './address.ts'
import { checkBackends } from './checks/backends.ts'
import type { Dialling } from './dialling.ts'
import { findingsOf } from './findings.ts'
import type { DnsSourceOptions, FileSourceOptions } from './options.ts'
import type { Finding } from './problems.ts'
import { endpointList } from './schema/endpoints.ts'

type SourceConfig = Required<DnsSourceOptions> | FileSourceOptions

export function sourceSetup(source: SourceConfig, folder: string, dialling: Dialling): SourceSetup {
  return 'dns' in source ? new DnsSetup(source, dialling) : new FileSetup(resolve(folder, source.file), dialling)
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
    return { path: this.path, read: (list: unknown) => this.#read(list) }
  }

  #read(list: unknown): readonly EndpointSpec[] {
    const parsed = endpointList.safeParse(list, { reportInput: true, jitless: true })
    const { tls } = this.dialling
    // The checks are those of a list in the configuration. They only ask whether there is `tls`, and a name in it.
    const alike = { backends: { list: { endpoints: list, ...(tls && { tls: { serverName: tls.serverName } }) } } }
    const base = ['backends', 'list', 'endpoints']
    const found = [...(parsed.success ? [] : findingsOf(parsed.error.issues, base)), ...checkBackends(alike)]
    const wrong = found.find(({ warning }) => !warning)
    if (wrong !== undefined) throw new Error(inList(wrong))
    if (!parsed.success) throw parsed.error
    return endpointSpecs(parsed.data.map(endpoint => this.dialling.addressOf(endpoint)))
  }
}

/** The addresses of a name. */
export class DnsSetup implements SourceSetup {
  readonly name: string
  readonly address: string
  readonly minIntervalMs: number
  readonly maxIntervalMs: number
  readonly dialling: Dialling

  constructor({ dns, minIntervalMs, maxIntervalMs }: Required<DnsSourceOptions>, dialling: Dialling) {
    this.name = `dns:${dns}`
    this.address = dns
    this.minIntervalMs = minIntervalMs
    this.maxIntervalMs = maxIntervalMs
    this.dialling = dialling
  }

  open(context: SourceContext): EndpointSource {
    const { address, minIntervalMs, maxIntervalMs, dialling } = this
    const named = parseEndpointAddress(address)
    // No server is asked for these: an address is itself, and `localhost` is this machine (RFC 6761 §6.3).
    if (named.kind === 'unix' || isIP(named.host) !== 0 || /(^|\.)localhost\.?$/i.test(named.host)) {
      return new StaticSource([dialling.addressOf(address)])
    }
    const endpointsAt = (ips: readonly string[]) => endpointSpecs(ips.map(ip => dialling.addressAt(ip, named)))
    const options = { host: named.host, minIntervalMs, maxIntervalMs, endpointsAt }
    return new LazySource(async () => new (await import('../discovery/dns.ts')).DnsSource(options, context))
  }
}

/** The finding as one of a list that stands alone. Entries are counted from 1. */
function inList({ path: [, , section, entry, ...inner], message }: Finding): string {
  if (section === 'tls') return `tls of the backend: ${message}`
  if (typeof entry !== 'number') return message
  return [`entry ${entry + 1}`, ...inner, message].join(': ')
}
