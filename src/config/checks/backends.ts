/** The endpoints of a backend among themselves, and against its `tls`. */
import { parseEndpointAddress, parseServiceName, tryParse } from '../address.ts'
import type { Finding, Path } from '../problems.ts'
import { isMap, listOf, mapOf, type RawMap } from '../raw.ts'

export function checkBackends(root: RawMap): Finding[] {
  return Object.entries(mapOf(root.backends)).flatMap(([name, value]) => {
    const { endpoints, source, tls, balancer, slowStart, locality } = mapOf(value)
    const { dns, srv } = mapOf(source)
    const path = ['backends', name]
    const all = listOf(endpoints)
    return [
      ...checkOrigin(value, path),
      ...checkDuplicates(all, [...path, 'endpoints']),
      ...checkWeights(all, [...path, 'endpoints']),
      ...(locality === undefined ? [] : checkLocality(mapOf(locality).own, all, [...path, 'locality', 'own'])),
      ...(slowStart === undefined ? [] : checkSlowStart(balancer, [...path, 'slowStart'])),
      ...(tls === undefined ? [] : checkTls(tls, all, path, 'endpoints')),
      ...(tls === undefined || dns === undefined ? [] : checkTls(tls, [dns], path, 'source')),
      ...(tls === undefined || typeof srv !== 'string' ? [] : checkTlsOfService(srv, path)),
    ]
  })
}

/** A list here, or a source, and not both. */
function checkOrigin(backend: unknown, path: Path): Finding[] {
  const { endpoints, source } = mapOf(backend)
  if (!isMap(backend) || (endpoints === undefined) !== (source === undefined)) return []
  if (endpoints !== undefined) {
    return [{ path: [...path, 'source'], message: 'is instead of endpoints: give one of the two', atKey: true }]
  }
  return [{ path: [...path, 'endpoints'], message: 'is missing: a list or a source is needed here' }]
}

function checkDuplicates(endpoints: readonly unknown[], path: Path): Finding[] {
  const first = new Map<string, number>()
  return endpoints.flatMap((entry, i) => {
    const address = addressOf(entry)
    if (address === undefined) return []
    const earlier = first.get(address)
    if (earlier !== undefined) {
      const message = `the same address as endpoints[${earlier}]: it gets two shares`
      return [{ path: [...path, i], message, warning: true }]
    }
    first.set(address, i)
    return []
  })
}

function checkWeights(endpoints: readonly unknown[], path: Path): Finding[] {
  if (endpoints.length === 0 || endpoints.some(entry => mapOf(entry).weight !== 0)) return []
  return [{ path, message: 'have the weight 0, all of them: every call fails', warning: true }]
}

/** A name that is written in two ways would keep no call near, and nobody would notice. */
function checkLocality(own: unknown, endpoints: readonly unknown[], path: Path): Finding[] {
  if (typeof own !== 'string' || endpoints.length === 0) return []
  const known = new Set(endpoints.map(entry => mapOf(entry).locality).filter(name => typeof name === 'string'))
  if (known.has(own)) return []
  const there = known.size === 0 ? 'none of them has a locality' : `they have ${[...known].join(', ')}`
  return [{ path, message: `is the locality of no endpoint, so calls go to all alike: ${there}`, warning: true }]
}

/** They do not take turns by weight. If weights moved with time, so would the hashes that an endpoint has. */
const COLD_BALANCERS = ['pick-first', 'ring-hash', 'maglev']

function checkSlowStart(balancer: unknown, path: Path): Finding[] {
  const kind = typeof balancer === 'string' ? balancer : mapOf(balancer).kind
  if (!COLD_BALANCERS.includes(kind as string)) return []
  return [{ path, message: `is not for the balancer ${kind}, which gives an endpoint its calls at once`, atKey: true }]
}

/**
 * Where `tls` is given nothing may go out in the clear by accident, so each endpoint must say which
 * of the two it is.
 */
function checkTls(tls: unknown, endpoints: readonly unknown[], path: Path, from: 'endpoints' | 'source'): Finding[] {
  const section = mapOf(tls)
  const uses = endpoints.map(entry => tlsUse(entry, section))
  if (uses.length > 0 && uses.every(use => use.kind === 'no')) {
    return [{ path: [...path, 'tls'], message: 'is not used: no endpoint is https://', atKey: true }]
  }
  return uses.flatMap((use, i): Finding[] => {
    if (use.kind === 'unclear') return [{ path: [...path, from, from === 'source' ? 'dns' : i], message: use.message }]
    if (use.kind === 'nameless') return [{ path: [...path, 'tls'], message: use.message, atKey: true }]
    return []
  })
}

function checkTlsOfService(srv: string, path: Path): Finding[] {
  const scheme = tryParse(parseServiceName, srv)?.scheme
  if (scheme === 'https') return []
  if (scheme === 'http') return [{ path: [...path, 'tls'], message: 'is not used: srv is http://', atKey: true }]
  const message = `is plaintext although the backend has tls: write https://${srv} or http://${srv}`
  return [{ path: [...path, 'source', 'srv'], message }]
}

type TlsUse =
  | { readonly kind: 'yes' | 'no' }
  /** It may have been meant either way. */
  | { readonly kind: 'unclear'; readonly message: string }
  /** There is nothing that the certificate's names can be compared with. */
  | { readonly kind: 'nameless'; readonly message: string }

function tlsUse(entry: unknown, tls: RawMap): TlsUse {
  const address = addressOf(entry)
  const parsed = address === undefined ? undefined : tryParse(parseEndpointAddress, address)
  if (parsed?.kind === 'tcp' && parsed.scheme !== 'https') {
    if (parsed.scheme === 'http') return { kind: 'no' }
    const message = `is plaintext although the backend has tls: write https://${address} or http://${address}`
    return { kind: 'unclear', message }
  }
  if (parsed?.kind === 'tcp' || tls.serverName !== undefined) return { kind: 'yes' }
  const what = parsed?.kind === 'unix' ? 'a unix socket' : mapOf(entry).connect === undefined ? undefined : 'connect'
  if (what === undefined) return { kind: 'yes' }
  return { kind: 'nameless', message: `needs serverName: ${what} has no host to check the certificate against` }
}

function addressOf(entry: unknown): string | undefined {
  const address = typeof entry === 'string' ? entry : mapOf(entry).address
  return typeof address === 'string' ? address : undefined
}
