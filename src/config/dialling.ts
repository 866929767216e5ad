/** From an endpoint as people write it to what is dialled. */
import { resolve } from 'node:path'
import type { WeightedAddress } from '../backend/endpoint-source.ts'
import type { ProxyVersion } from '../transport/proxy-protocol.ts'
import type { TlsRules } from '../transport/tls-rules.ts'
import type { DialAddress } from '../transport/transport.ts'
import { type EndpointAddress, formatEndpointAddress, parseEndpointAddress } from './address.ts'
import type { EndpointOptions } from './options.ts'
import type { PemFiles } from './pem.ts'

/** How the endpoints of a backend speak TLS, if they do. */
export interface DialTls extends PemFiles, TlsRules {
  /** By default the host of each endpoint. */
  readonly serverName?: string
}

/** Only data, so that two of them can be compared. */
export class Dialling {
  /** Where relative paths of sockets start. */
  readonly folder: string
  readonly tls: DialTls | undefined
  readonly proxyHeader: ProxyVersion | undefined

  constructor(folder: string, tls: DialTls | undefined, proxyHeader?: ProxyVersion) {
    this.folder = folder
    this.tls = tls
    this.proxyHeader = proxyHeader
  }

  get #header(): Pick<DialAddress, 'proxyHeader'> {
    return this.proxyHeader === undefined ? {} : { proxyHeader: this.proxyHeader }
  }

  /** @throws AddressError */
  addressOf(endpoint: EndpointOptions): WeightedAddress {
    if (typeof endpoint === 'string') return this.#parsed(endpoint)
    if ('address' in endpoint) {
      const { address, ...told } = endpoint
      return { ...this.#parsed(address), ...told }
    }
    const { name, connect, ...told } = endpoint
    return { name, connect, tls: this.tls && this.tlsFor(''), ...this.#header, ...told }
  }

  #parsed(text: string): DialAddress {
    const address = parseEndpointAddress(text)
    if (address.kind === 'unix') {
      const path = resolve(this.folder, address.path)
      const tls = this.tls && this.tlsFor('')
      return { name: formatEndpointAddress({ kind: 'unix', path }), unix: path, tls, ...this.#header }
    }
    return {
      name: formatEndpointAddress(address),
      tcp: { host: address.host, port: address.port },
      tls: address.scheme === 'https' ? this.tlsFor(address.host) : undefined,
      ...this.#header,
    }
  }

  /** The endpoint that is at this IP address, if `address` has a name. */
  addressAt(ip: string, address: EndpointAddress & { kind: 'tcp' }): DialAddress {
    // RFC 6066 §3: the name is sent "without a trailing dot".
    const name = address.host.replace(/\.$/, '')
    return {
      name: formatEndpointAddress({ ...address, host: ip }),
      tcp: { host: ip, port: address.port },
      tls: address.scheme === 'https' ? this.tlsFor(name) : undefined,
      ...this.#header,
    }
  }

  /** @param host what the certificate must be for, if the backend does not say */
  tlsFor(host: string): NonNullable<DialAddress['tls']> {
    return { ...this.tls, serverName: this.tls?.serverName ?? host }
  }
}
