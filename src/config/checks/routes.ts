/** Routes against backends, and against the routes before them. */
import { didYouMean, type Finding, type Path } from '../problems.ts'
import { isMap, listOf, mapOf, type RawMap } from '../raw.ts'
import { backendsOfGates } from './gates.ts'

export function checkRoutes(root: RawMap): Finding[] {
  const routes = listOf(root.routes)
  const known = Object.keys(mapOf(root.backends))
  const named = routes.flatMap(namesIn)
  const findings = [...named.flatMap(one => checkName(one, known)), ...checkReach(routes), ...checkFaults(root, routes)]
  // Gates in code may ask any.
  if (root.director !== undefined || Array.isArray(root.gates) || routes.length === 0) return findings
  const used = new Set([...named, ...backendsOfGates(root)].map(({ name }) => name))
  return [...findings, ...known.filter(name => !used.has(name)).map(unused)]
}

/** A test's configuration that comes into production says it in one place. */
function checkFaults({ allowFaults }: RawMap, routes: readonly unknown[]): Finding[] {
  if (allowFaults === true) return []
  const message = 'makes calls fail on purpose: where that is wanted, write `allowFaults: true` at the top'
  return routes.flatMap((route, i) =>
    mapOf(route).faults === undefined ? [] : [{ path: ['routes', i, 'faults'], message }],
  )
}

/** A backend's name, as the configuration has it. */
export interface Named {
  readonly name: unknown
  readonly path: Path
}

function namesIn(entry: unknown, i: number): Named[] {
  const { backend, backends, mirror } = mapOf(entry)
  return [
    { name: backend, path: ['routes', i, 'backend'] },
    { name: mapOf(mirror).backend, path: ['routes', i, 'mirror', 'backend'] },
    ...listOf(backends).map((weighted, j) => ({
      name: mapOf(weighted).backend,
      path: ['routes', i, 'backends', j, 'backend'],
    })),
  ]
}

export function checkName({ name, path }: Named, known: readonly string[]): Finding[] {
  if (typeof name !== 'string' || known.includes(name)) return []
  const hint = didYouMean(name, known) || (known.length > 0 ? `; there is ${known.join(', ')}` : '')
  return [{ path, message: `there is no backend ${JSON.stringify(name)}${hint}` }]
}

/** The first match decides, so a route behind one that matches every call is never asked. */
function checkReach(routes: readonly unknown[]): Finding[] {
  const catchAll = routes.findIndex(isCatchAll)
  if (catchAll === -1) return []
  const message = `is never reached: routes[${catchAll}] takes every call`
  return routes.slice(catchAll + 1).map((_, i) => ({ path: ['routes', catchAll + 1 + i], message, warning: true }))
}

function isCatchAll(entry: unknown): boolean {
  const { match, ...rest } = mapOf(entry)
  if (Object.keys(rest).length === 0) return false
  return match === undefined || (isMap(match) && Object.keys(mapOf(match)).length === 0)
}

function unused(name: string): Finding {
  return { path: ['backends', name], message: 'no route leads to this backend', atKey: true, warning: true }
}
