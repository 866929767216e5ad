/** How important a call is, by its route or its metadata. */
import { DEFAULT, rankOf } from '../backend/call-priority.ts'
import type { CallPriority } from '../routing/director.ts'
import type { HeaderBlock } from '../transport/transport.ts'

/**
 * @param target what the route or the director says: that is the operator's word, and the client's does not count then
 * @param name of the metadata in which clients say it, if they may
 */
export function priorityOf(target: CallPriority | undefined, name: string | undefined, fields: HeaderBlock): number {
  if (target !== undefined) return rankOf(target)
  if (name === undefined) return DEFAULT
  let said: string | undefined
  for (let i = 0; i < fields.length; i++) {
    if (fields[i]!.name !== name) continue
    // Two say nothing clear.
    if (said !== undefined) return DEFAULT
    said = fields[i]!.value
  }
  return rankOf(said)
}
