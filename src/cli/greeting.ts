/** What `serve` says in a terminal once it serves: where clients go, where their calls go, and where to look. */
import type { ProxySetup } from '../proxy/setup.ts'
import type { BoundAddress } from '../transport/listening-socket.ts'

export interface Served {
  readonly setup: Pick<ProxySetup, 'listeners' | 'backends' | 'admin' | 'director'>
  /** In the order of the listeners. */
  readonly bound: readonly BoundAddress[]
  /** Undefined: there is none. */
  readonly adminAddress: string | undefined
}

/** Of each backend. A fleet would fill the screen. */
const MOST_ENDPOINTS = 3
const MOST_BACKENDS = 8

export function greetingOf({ setup, bound, adminAddress }: Served): string {
  const listens = bound.map(({ address }, i) => `${address}${setup.listeners[i]?.tls === undefined ? '' : ' (TLS)'}`)
  const backends = Object.entries(setup.backends)
  const names = backends.map(([name]) => name.length)
  const width = Math.min(24, Math.max(0, ...names))
  const forwards = backends
    .slice(0, MOST_BACKENDS)
    .map(([name, backend]) => `${name.padEnd(width)}  ${endpointsOf(backend)}`)
  const left = backends.length - forwards.length
  return [
    ...titled('listens on', listens),
    ...titled('forwards to', left > 0 ? [...forwards, `and ${left} more backends`] : forwards),
    ...titled('admin page', [pageOf(setup, adminAddress)]),
    ...titled('to end it', ['Ctrl-C: calls in flight finish; twice: at once']),
  ].join('\n')
}

function titled(title: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => `  ${(i === 0 ? title : '').padEnd(12)} ${line}`)
}

function endpointsOf({ endpoints, source }: ProxySetup['backends'][string]): string {
  if (source !== undefined) return source.name
  const names = endpoints.slice(0, MOST_ENDPOINTS).map(({ name }) => name)
  const left = endpoints.length - names.length
  return `${names.join(', ')}${left > 0 ? ` and ${left} more` : ''}`
}

function pageOf({ admin }: Served['setup'], address: string | undefined): string {
  if (admin === undefined || address === undefined)
    return 'none: admin: { address: 127.0.0.1:9901 } in the configuration'
  return address.startsWith('unix:') ? address : `${admin.tls === undefined ? 'http' : 'https'}://${address}/`
}
