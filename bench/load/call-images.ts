/**
 * Calls as bytes, made before the load begins: HEADERS and DATA of a small unary call, to be copied and given a stream
 * id.
 */
import { Flag, FrameType, HEAD_BYTES, HpackEncoder, maxEncodedBytes, writeHead } from '../../src/wire/index.ts'
import type { CallLists } from './call-fields.ts'

const TABLE_BYTES = 4_096

/** The calls of one connection: `[first, …]` once, then from `again` on over and over. */
export interface CallImages {
  readonly images: readonly Buffer[]
  readonly again: number
}

export function callImages(lists: CallLists, message: Buffer): CallImages {
  const encoder = new HpackEncoder()
  // The list is the same again, so the second image finds all of its fields in the table.
  if (lists.length === 1) return { images: [0, 1].map(() => image(encoder, lists[0]!, message)), again: 1 }
  // The ring begins again: its first block empties the table, so that it is correct each time.
  encoder.setLimit(0)
  encoder.setLimit(TABLE_BYTES)
  return { images: lists.map(list => image(encoder, list, message)), again: 0 }
}

function image(encoder: HpackEncoder, list: CallLists[number], message: Buffer): Buffer {
  const bytes = Buffer.alloc(2 * HEAD_BYTES + maxEncodedBytes(list) + message.length)
  const end = encoder.encode(list, bytes, HEAD_BYTES)
  writeHead(bytes, 0, end - HEAD_BYTES, FrameType.HEADERS, Flag.END_HEADERS, 0)
  writeHead(bytes, end, message.length, FrameType.DATA, Flag.END_STREAM, 0)
  message.copy(bytes, end + HEAD_BYTES)
  return bytes.subarray(0, end + HEAD_BYTES + message.length)
}
