/** What a relay drives: an attempt, or one with a copy. */
import type { Attempt } from './attempt.ts'
import type { Copy } from './copy.ts'
import { Mirrored } from './mirrored.ts'

export type Upstream = Pick<Attempt, 'lease' | 'stream' | 'closed' | 'seen' | 'abandon' | 'replaced' | 'linger'>

/** @param treatment of the call, which may have a copy */
export function upstreamOf(attempt: Attempt, treatment: { readonly copy: Copy | undefined } | undefined): Upstream {
  return treatment?.copy === undefined ? attempt : new Mirrored(attempt, treatment.copy)
}
