/** Whether every call has somewhere to go: there is a backend, and something says which of several gets a call. */
import type { Finding } from '../problems.ts'
import { isMap, listOf, mapOf, type RawMap } from '../raw.ts'

export function checkDestinations(root: RawMap): Finding[] {
  const message = wrong(root)
  return message === undefined ? [] : [{ ...message, atKey: true }]
}

function wrong({ backends, routes, director }: RawMap): Pick<Finding, 'path' | 'message'> | undefined {
  const names = Object.keys(mapOf(backends))
  const hasRoutes = listOf(routes).length > 0
  if (director !== undefined) {
    return hasRoutes ? { path: ['director'], message: 'decides instead of routes: give one of the two' } : undefined
  }
  if (names.length === 0) {
    // Of the wrong kind: the schema says so.
    if (backends !== undefined && !isMap(backends)) return undefined
    return { path: ['backends'], message: 'there is no backend: give at least one' }
  }
  if (hasRoutes || names.length === 1 || (routes !== undefined && !Array.isArray(routes))) return undefined
  const message = `there are ${names.length} backends (${names.join(', ')}) and no route that says which gets a call`
  return { path: ['routes'], message }
}
