/**
 * Checks across sections: what no field can know alone. They look at the raw input, so that a fault
 * in one place does not hide faults in another.
 */
import { AddressError, formatListenAddress, parseEndpointAddress, parseListenAddress } from './address.ts'
import { didYouMean, type Finding, type Path } from './problems.ts'

type Raw = Readonly<Record<string, unknown>>

/** @param input as the user wrote it; parts of the wrong kind are skipped, the schema tells of those */
export function crossChecks(input: unknown): Finding[] {
  if (!isMap(input)) return []
  const root = mapOf(input)
  return [...checkListeners(root), ...checkDestinations(root), ...checkRoutes(root), ...checkBackends(root)]
}

export function mapOf(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function checkListeners(root: Raw): Finding[] {
  const first = new Map<string, number>()
  return listOf(root.listeners).flatMap((listener, i): Finding[] => {
    const { address, socketMode } = mapOf(listener)
    const parsed = typeof address === 'string' ? tryParse(parseListenAddress, address) : undefined
    if (parsed?.kind === 'tcp' && socketMode !== undefined) {
      return [{ path: ['listeners', i, 'socketMode'], message: 'is for unix sockets: the address is not unix:/path' }]
    }
    if (parsed === undefined || (parsed.kind === 'tcp' && parsed.port === 0)) return []
    const key = formatListenAddress(parsed)
    const earlier = first.get(key)
    if (earlier === undefined) {
      first.set(key, i)
      return []
    }
    return [
      {
        path: ['listeners', i, 'address'],
        message: `${key} is taken by listeners[${earlier}]`,
      },
    ]
  })
}

/** Some backend must be there, and something must say which of several gets a call. */
function checkDestinations(root: Raw): Finding[] {
  const names = Object.keys(mapOf(root.backends))
  const routes = listOf(root.routes).length
  if (root.director !== undefined) {
    return routes === 0
      ? []
      : [
          {
            path: ['director'],
            message: 'decides instead of routes: give one of the two',
            atKey: true,
          },
        ]
  }
  if (names.length === 0) {
    if (root.backends !== undefined && !isMap(root.backends)) return []
    return [
      {
        path: ['backends'],
        message: 'there is no backend: give at least one',
        atKey: true,
      },
    ]
  }
  if (routes === 0 && names.length > 1 && (root.routes === undefined || Array.isArray(root.routes))) {
    const message = `there are ${names.length} backends (${names.join(', ')}) and no route that says which gets a call`
    return [{ path: ['routes'], message, atKey: true }]
  }
  return []
}

export function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkRoutes(root: Raw): Finding[] {
  const known = Object.keys(mapOf(root.backends))
  const named = new Set<unknown>()
  const findings: Finding[] = []
  let catchAll: number | undefined

  const checkName = (name: unknown, path: Path): void => {
    named.add(name)
    if (typeof name !== 'string' || known.includes(name)) return
    const hint = didYouMean(name, known) || (known.length > 0 ? `; there is ${known.join(', ')}` : '')
    findings.push({
      path,
      message: `there is no backend ${JSON.stringify(name)}${hint}`,
    })
  }

  listOf(root.routes).forEach((entry, i) => {
    const route = mapOf(entry)
    checkName(route.backend, ['routes', i, 'backend'])
    listOf(route.backends).forEach((weighted, j) => {
      checkName(mapOf(weighted).backend, ['routes', i, 'backends', j, 'backend'])
    })
    if (catchAll !== undefined) {
      const message = `is never reached: routes[${catchAll}] takes every call`
      findings.push({ path: ['routes', i], message, warning: true })
    } else if (isCatchAll(entry)) {
      catchAll = i
    }
  })

  if (root.director === undefined && listOf(root.routes).length > 0) {
    for (const name of known) {
      if (named.has(name)) continue
      findings.push({
        path: ['backends', name],
        message: 'no route leads to this backend',
        atKey: true,
        warning: true,
      })
    }
  }
  return findings
}

function isCatchAll(entry: unknown): boolean {
  const { match, ...rest } = mapOf(entry)
  if (Object.keys(rest).length === 0) return false
  return match === undefined || (isMap(match) && Object.keys(mapOf(match)).length === 0)
}

function checkBackends(root: Raw): Finding[] {
  return Object.entries(mapOf(root.backends)).flatMap(([name, value]) => {
    const backend = mapOf(value)
    const endpoints = listOf(backend.endpoints)
    return [
      ...checkDuplicates(endpoints, ['backends', name, 'endpoints']),
      ...(backend.tls === undefined ? [] : checkTlsUse(mapOf(backend.tls), endpoints, ['backends', name])),
    ]
  })
}

function checkDuplicates(endpoints: readonly unknown[], path: Path): Finding[] {
  const first = new Map<string, number>()
  return endpoints.flatMap((entry, i) => {
    const address = addressOf(entry)
    if (address === undefined) return []
    const earlier = first.get(address)
    if (earlier === undefined) {
      first.set(address, i)
      return []
    }
    return [
      {
        path: [...path, i],
        message: `the same address as endpoints[${earlier}]: it gets two shares`,
        warning: true,
      },
    ]
  })
}

/**
 * Where `tls` is given nothing may go out in the clear by accident, so an endpoint must say which
 * it is.
 */
function checkTlsUse(tls: Raw, endpoints: readonly unknown[], path: Path): Finding[] {
  let used = endpoints.length === 0
  const findings = endpoints.flatMap((entry, i): Finding[] => {
    const address = addressOf(entry)
    const parsed = address === undefined ? undefined : tryParse(parseEndpointAddress, address)
    if (parsed?.kind === 'tcp' && parsed.scheme !== 'https') {
      if (parsed.scheme === 'http') return []
      const message = `is plaintext although the backend has tls: write https://${address} or http://${address}`
      used = true
      return [{ path: [...path, 'endpoints', i], message }]
    }
    used = true
    if (parsed?.kind === 'tcp' || tls.serverName !== undefined) return []
    const what = parsed?.kind === 'unix' ? 'a unix socket' : mapOf(entry).connect === undefined ? undefined : 'connect'
    if (what === undefined) return []
    return [
      {
        path: [...path, 'tls'],
        message: `needs serverName: ${what} has no host to check the certificate against`,
        atKey: true,
      },
    ]
  })
  if (!used)
    findings.push({
      path: [...path, 'tls'],
      message: 'is not used: no endpoint is https://',
      atKey: true,
    })
  return findings
}

function addressOf(entry: unknown): string | undefined {
  const address = typeof entry === 'string' ? entry : mapOf(entry).address
  return typeof address === 'string' ? address : undefined
}

function tryParse<T>(parse: (text: string) => T, text: string): T | undefined {
  try {
    return parse(text)
  } catch (error) {
    if (error instanceof AddressError) return undefined
    throw error
  }
}
