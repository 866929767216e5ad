/** Names of the health service against the backends that there are. */
import type { Finding } from '../problems.ts'
import { mapOf, type RawMap } from '../raw.ts'
import { checkName } from './routes.ts'

export function checkHealthService(root: RawMap): Finding[] {
  const known = Object.keys(mapOf(root.backends))
  const services = Object.entries(mapOf(mapOf(root.healthService).services))
  return services.flatMap(([service, name]) => checkName({ name, path: ['healthService', 'services', service] }, known))
}
