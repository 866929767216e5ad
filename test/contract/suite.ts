/**
 * The contract: what the proxy promises, proved with exact frames on both of its sides. One suite
 * for every pair of transports.
 */
import type { Test } from 'tap'
import { backPressure } from './back-pressure.ts'
import { bodyless } from './bodyless.ts'
import { deadlines } from './deadlines.ts'
import { directors } from './directors.ts'
import { drain } from './drain.ts'
import { edges } from './edges.ts'
import { ends } from './ends.ts'
import { gates } from './gates.ts'
import { goaway } from './goaway.ts'
import { headers } from './headers.ts'
import { healthService } from './health-service.ts'
import { hedging } from './hedging.ts'
import { hostile } from './hostile.ts'
import { lifetimes } from './lifetimes.ts'
import { losses } from './losses.ts'
import { malformed } from './malformed.ts'
import { metadataChanges } from './metadata-changes.ts'
import { mirroring } from './mirroring.ts'
import { places } from './places.ts'
import { policyRetries } from './policy-retries.ts'
import { requestIds } from './request-ids.ts'
import { resets } from './resets.ts'
import { retries } from './retries.ts'
import { reuse } from './reuse.ts'
import type { Pairing } from './rig.ts'
import { routing } from './routing.ts'
import { strangers } from './strangers.ts'
import { streamLimits } from './stream-limits.ts'
import { strictest } from './strictest.ts'
import { verbatim } from './verbatim.ts'
import { windows } from './windows.ts'

export type { Pairing } from './rig.ts'

const THEMES = {
  headers,
  'request ids': requestIds,
  malformed,
  ends,
  resets,
  losses,
  goaway,
  retries,
  'retries by policy': policyRetries,
  hedging,
  deadlines,
  directors,
  routing,
  gates,
  mirroring,
  drain,
  'health service': healthService,
  'metadata changes': metadataChanges,
  'back-pressure': backPressure,
  'stream limits': streamLimits,
  strangers,
  places,
  lifetimes,
  strictest,
  edges,
  hostile,
  bodyless,
  verbatim,
  reuse,
  windows,
}

export function contract(t: Test, pairing: Pairing): void {
  for (const [name, register] of Object.entries(THEMES)) {
    t.test(`${pairing.name}: ${name}`, async t => register(t, pairing))
  }
}
