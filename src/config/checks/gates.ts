/** Names in `require` against the gates that there are. */
import { didYouMean, type Finding, type Path } from '../problems.ts'
import { isMap, listOf, mapOf, type RawMap } from '../raw.ts'

export function checkGates(root: RawMap): Finding[] {
  const known = Object.keys(mapOf(root.gates))
  const required = [
    ...namesIn(root.require, ['require']),
    ...listOf(root.listeners).flatMap((listener, i) => namesIn(mapOf(listener).require, ['listeners', i, 'require'])),
    ...listOf(root.routes).flatMap((route, i) => namesIn(mapOf(route).require, ['routes', i, 'require'])),
  ]
  const used = new Set(required.map(({ name }) => name))
  const unused = known.filter(name => !used.has(name))
  return [
    ...required.filter(({ name }) => !known.includes(name)).map(missing => unknownGate(missing, known)),
    ...askedBackends(root),
    ...unused.map(name => ({
      path: ['gates', name],
      message: 'nothing requires this gate, so it lets every call pass',
      atKey: true,
      warning: true,
    })),
  ]
}

/** A gate asks a backend that there is. */
function askedBackends(root: RawMap): Finding[] {
  const known = Object.keys(mapOf(root.backends))
  return backendsOfGates(root)
    .filter(({ name }) => !known.includes(name))
    .map(({ name, path }) => ({
      path,
      message: `there is no backend ${JSON.stringify(name)}${didYouMean(name, known)}`,
    }))
}

/** Backends that gates ask. */
export function backendsOfGates({ gates }: RawMap): Named[] {
  return Object.entries(mapOf(gates)).flatMap(([gate, definition]) =>
    (['authorization', 'globalRateLimit'] as const).flatMap(kind => {
      const { backend } = mapOf(mapOf(definition)[kind])
      return typeof backend === 'string' ? [{ name: backend, path: ['gates', gate, kind, 'backend'] }] : []
    }),
  )
}

/** `routes[0].require[0].any[0].all[0]` */
const MAX_DEPTH = 8

interface Named {
  readonly name: string
  readonly path: Path
}

function namesIn(requirement: unknown, path: Path): Named[] {
  if (typeof requirement === 'string') return [{ name: requirement, path }]
  if (Array.isArray(requirement)) return requirement.flatMap((one, i) => namesIn(one, [...path, i]))
  // The schema knows lists in two of them, and no more.
  if (!isMap(requirement) || path.length > MAX_DEPTH) return []
  const { any, all } = mapOf(requirement)
  return [...namesIn(any, [...path, 'any']), ...namesIn(all, [...path, 'all'])]
}

function unknownGate({ name, path }: Named, known: readonly string[]): Finding {
  const hint =
    didYouMean(name, known) || (known.length > 0 ? `; there is ${known.join(', ')}` : '; there are no `gates`')
  return { path, message: `there is no gate ${JSON.stringify(name)}${hint}` }
}
