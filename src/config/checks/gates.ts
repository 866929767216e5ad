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
function askedBackends({ gates, backends }: RawMap): Finding[] {
  const known = Object.keys(mapOf(backends))
  return Object.entries(mapOf(gates)).flatMap(([name, gate]) =>
    (['authorization', 'globalRateLimit'] as const).flatMap(kind => {
      const { backend } = mapOf(mapOf(gate)[kind])
      if (typeof backend !== 'string' || known.includes(backend)) return []
      const message = `there is no backend ${JSON.stringify(backend)}${didYouMean(backend, known)}`
      return [{ path: ['gates', name, kind, 'backend'], message }]
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
