/** What one input for a `Connection` is made of. */
import { FLOOD_LIMITS } from '../../../src/wire/allowance.ts'
import type { ConnectionLimits } from '../../../src/wire/connection-options.ts'
import type { Side } from './sessions.ts'

const FEW = Object.fromEntries(Object.keys(FLOOD_LIMITS).map(name => [name, { burst: 3, perSecond: 1, earned: 0.1 }]))

/** The first is the default: an honest session passes there. */
export const LIMITS: readonly ConnectionLimits[] = [
  {},
  { maxConcurrentStreams: 2, maxStreamWindow: 65_535, initialConnectionWindow: 65_535, maxConnectionWindow: 65_535 },
  { initialStreamWindow: 100, maxStreamWindow: 1_000, maxConnectionWindow: 200_000, maxOutputBytes: 1_000 },
  { maxFrameSize: 20_000, initialConnectionWindow: 65_535, maxConnectionWindow: 300_000 },
  { headerTableSize: 0, maxListBytes: 300, maxFields: 5 },
  {
    headerTableSize: 16_384,
    maxContinuations: 2,
    maxHeaderBlockBytes: 300,
    maxSettingsEntries: 2,
    maxOutputBytes: 40_000,
  },
  { floods: FEW, headerTableSize: 100 },
  { initialStreamWindow: 1_048_576, maxStreamWindow: 65_535, maxConnectionWindow: 100_000, maxEmptyContinuations: 0 },
  { initialStreamWindow: 0, maxStreamWindow: 0, maxConcurrentStreams: 1 },
]

export interface ConnectionInput {
  readonly role: Side
  readonly limits: ConnectionLimits
  readonly streams: number
  /** Nothing was mutated, and the limits are the default: nothing may be rejected. */
  readonly honest: boolean
  readonly frames: readonly Buffer[]
  /** Pieces are this long on average. */
  readonly pieces: number
}

export interface Arrival {
  readonly end: number
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

/** The whole frames in `input`, as any reader must cut them. */
export function arrivalsOf(input: Buffer, role: Side): Arrival[] {
  const out: Arrival[] = []
  for (let at = role === 'server' ? 24 : 0; input.length - at >= 9; ) {
    const end = at + 9 + input.readUIntBE(at, 3)
    if (end > input.length) break
    const [type, flags, id] = [input[at + 3]!, input[at + 4]!, input.readUInt32BE(at + 5) & 0x7fffffff]
    out.push({ end, type, flags, id, payload: input.subarray(at + 9, end) })
    at = end
  }
  return out
}
