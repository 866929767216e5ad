/** A list of endpoints that comes while the proxy runs, checked as that of a configuration. */
import { type EndpointSpec, endpointSpecs, type WeightedAddress } from '../backend/endpoint-source.ts'
import { checkBackends } from './checks/backends.ts'
import type { Dialling } from './dialling.ts'
import { findingsOf } from './findings.ts'
import { ConfigError, type Finding, formatPath } from './problems.ts'
import { endpointList } from './schema/endpoints.ts'

/** @throws ConfigError with everything that is wrong, as of that backend */
export function addressesOf(list: unknown, backend: string, dialling: Dialling): readonly WeightedAddress[] {
  const { addresses, wrong } = checked(list, backend, dialling)
  if (wrong.length === 0) return addresses
  throw new ConfigError(wrong.map(({ path, message }) => ({ path: formatPath(path), message })))
}

/** @throws Error that says the first thing that is wrong, as of a list that stands alone */
export function specsOf(list: unknown, dialling: Dialling): readonly EndpointSpec[] {
  const { addresses, wrong } = checked(list, 'list', dialling)
  if (wrong.length > 0) throw new Error(inList(wrong[0]!))
  return endpointSpecs(addresses)
}

interface Checked {
  readonly addresses: readonly WeightedAddress[]
  readonly wrong: readonly Finding[]
}

function checked(list: unknown, backend: string, dialling: Dialling): Checked {
  const parsed = endpointList.safeParse(list, { reportInput: true, jitless: true })
  const { tls } = dialling
  // The checks only ask whether there is `tls`, and a name in it.
  const alike = { backends: { [backend]: { endpoints: list, ...(tls && { tls: { serverName: tls.serverName } }) } } }
  const base = ['backends', backend, 'endpoints']
  const found = [...(parsed.success ? [] : findingsOf(parsed.error.issues, base)), ...checkBackends(alike)]
  const addresses = parsed.success ? parsed.data.map(endpoint => dialling.addressOf(endpoint)) : []
  return { addresses, wrong: found.filter(({ warning }) => !warning) }
}

/** Entries are counted from 1. */
function inList({ path: [, , section, entry, ...inner], message }: Finding): string {
  if (section === 'tls') return `tls of the backend: ${message}`
  if (typeof entry !== 'number') return message
  return [`entry ${entry + 1}`, ...inner, message].join(': ')
}
