/** What a backend says about when to try again (gRFC A6, "Pushback"). */
import { firstValue } from '../grpc/metadata.ts'
import type { HeaderBlock } from '../transport/transport.ts'

/** A backend may not keep a call without a deadline for longer than this: its client is told then, and may wait itself. */
export const MAX_PUSHBACK_MS = 60_000

/**
 * @param answer undefined: there is none
 * @returns how long to wait; Infinity: it is not to be tried again; undefined: it says nothing
 */
export function pushbackOf(answer: HeaderBlock | undefined): number | undefined {
  const text = answer && firstValue(answer, 'grpc-retry-pushback-ms')
  if (text === undefined) return undefined
  // "If the value for pushback is negative or unparseble, then it will be seen as the server asking the client not to retry"
  return /^(?:0|[1-9]\d{0,9})$/.test(text) ? Number(text) : Infinity
}
