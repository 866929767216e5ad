/** What a relay drives: an attempt, several where the call is hedged, or either with a copy. */
import type { Backend, Lease } from '../backend/backend.ts'
import { Attempt, type Upstream } from './attempt.ts'
import type { Copy } from './copy.ts'
import type { Hedge } from './hedge.ts'
import type { Hedged } from './hedge-runner.ts'
import { Mirrored } from './mirrored.ts'

export type { Upstream } from './attempt.ts'

/** What of the treatment of a call looks at its attempts. */
interface Looking {
  readonly hedge: Hedge | undefined
  readonly copy: Copy | undefined
}

/** The call goes to its backend. @param treatment undefined: nobody looks */
export function upstreamOf(lease: Lease, call: Hedged, backend: Backend, treatment: Looking | undefined): Upstream {
  if (treatment === undefined) return new Attempt(lease, call.share, call)
  const { hedge, copy } = treatment
  if (hedge === undefined) {
    const attempt = new Attempt(lease, call.share, call)
    return copy === undefined ? attempt : new Mirrored(attempt, copy)
  }
  const hedged = hedge.open(lease, backend)
  // Each of its attempts has the copy.
  return copy === undefined ? hedged : new Mirrored(hedged, copy, hedged.stream)
}
