/** All attacks, in the order of the table. */
import type { Attack } from './attack.ts'
import { FLOODS } from './floods.ts'
import { MEMORY } from './memory.ts'
import { MESSAGES } from './messages.ts'
import { PLACES } from './places.ts'
import { RESETS } from './resets.ts'
import { SHARES } from './shares.ts'

export const ATTACKS: readonly Attack[] = [...MESSAGES, ...RESETS, ...SHARES, ...MEMORY, ...PLACES, ...FLOODS]
