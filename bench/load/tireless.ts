/** Limits for both ends of a load: what a proxy between them sends is part of the measurement and not an attack. */
import { type ConnectionLimits, FLOOD_LIMITS, type FloodLimits } from '../../src/wire/index.ts'

const FRAMES = 1_000_000_000
const MAX_LIST_BYTES = 1_048_576

export const TIRELESS: ConnectionLimits = {
  floods: Object.fromEntries(Object.keys(FLOOD_LIMITS).map(name => [name, { burst: FRAMES }])) as FloodLimits,
  maxListBytes: MAX_LIST_BYTES,
}
