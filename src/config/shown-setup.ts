/** What is in force, as an operator may see it: keys, tokens and values that go to backends are not shown. */
import type { ProxySetup } from '../proxy/setup.ts'

/** Parts of a route that change metadata. */
const CHANGED: ReadonlySet<string> = new Set(['request', 'response', 'trailers'])

const HIDDEN_TEXT = '[hidden]'

/** Plain data for JSON. */
export function shownSetup({ logger: _, ...setup }: ProxySetup): unknown {
  return shown(setup, '', '')
}

/** @param name of the field that has this value. @param within of the field around that one */
function shown(value: unknown, name: string, within: string): unknown {
  if (value === undefined || value === null) return undefined
  if (name === 'token' || (name === 'key' && within === 'tls')) return HIDDEN_TEXT
  if (typeof value === 'function') return '[a function]'
  if (value instanceof Uint8Array) return `[${value.length} bytes]`
  if (typeof value === 'string') return value.includes('-----BEGIN') ? '[PEM]' : value
  if (Array.isArray(value)) return value.map(each => shown(each, '', name))
  if (typeof value !== 'object') return value
  // Often they are credentials.
  const hides =
    name === 'addMetadata' ||
    ((name === 'set' || name === 'add') && CHANGED.has(within)) ||
    (name === 'headers' && within === 'otlp')
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, hides ? HIDDEN_TEXT : shown(inner, key, name)]),
  )
}
