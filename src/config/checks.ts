/**
 * Checks across sections: what no field can know alone. They look at the raw input, so that a fault
 * in one place does not hide faults in another.
 */
import { checkBackends } from './checks/backends.ts'
import { checkDestinations } from './checks/destinations.ts'
import { checkGates } from './checks/gates.ts'
import { checkHealthService } from './checks/health-service.ts'
import { checkListeners } from './checks/listeners.ts'
import { checkRoutes } from './checks/routes.ts'
import type { Finding } from './problems.ts'
import { isMap, mapOf } from './raw.ts'

/** @param input as the user wrote it; parts of the wrong kind are skipped, the schema reports those */
export function crossChecks(input: unknown): Finding[] {
  if (!isMap(input)) return []
  const root = mapOf(input)
  // `load.ts` has taken it out by now.
  const included =
    root.include === undefined ? [] : [{ path: ['include'], message: 'is for files: in code, join objects' }]
  return [
    ...included,
    ...[checkListeners, checkDestinations, checkRoutes, checkGates, checkBackends, checkHealthService].flatMap(check =>
      check(root),
    ),
  ]
}
