/**
 * Calls as bytes, made before the load begins: HEADERS and DATA of a small unary call, to be copied
 * and given a stream id. Fields travel as grpc-go sends them: every one with incremental indexing,
 * Huffman-coded where that is shorter. So a field that differs each call fills the receiver's table.
 */
import { Flag, FrameType, HEAD_BYTES, writeHead } from '../../src/wire/frame.ts'
import { HpackEncoder, maxEncodedBytes } from '../../src/wire/hpack/encoder.ts'
import { HeaderField, Mode } from '../../src/wire/hpack/header-field.ts'
import { nameOf } from '../../src/wire/hpack/interning.ts'
import { grpcMessage, SMALL_BYTES, SMALL_PATH } from '../subjects/world.ts'

/**
 * `same`: nothing differs. `fresh`: each call has a `grpc-timeout`, a `traceparent` and a token of 900
 * bytes that no call before had. `token`: timeout and trace are fresh, the token is the connection's.
 */
export type HeaderKind = 'same' | 'fresh' | 'token'

const RING = 4_000
const TABLE_BYTES = 4_096
const TOKEN_BYTES = 900
const MESSAGE = grpcMessage(SMALL_BYTES)

/** The calls of one connection: `[first, …]` once, then from `again` on over and over. */
export interface CallImages {
  readonly images: readonly Buffer[]
  readonly again: number
}

export function callImages(kind: HeaderKind, authority: string, random: () => number): CallImages {
  const encoder = new HpackEncoder()
  const constant = Object.entries({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': SMALL_PATH,
    ':authority': authority,
    'content-type': 'application/grpc',
    'user-agent': 'grpc-go/1.75.0',
    te: 'trailers',
  }).map(([name, value]) => indexed(name, value))
  if (kind === 'same') {
    return { images: [image(encoder, constant), image(encoder, constant)], again: 1 }
  }
  // The ring comes round: its first block empties the table, so that it is true each time.
  encoder.setLimit(0)
  encoder.setLimit(TABLE_BYTES)
  const own = indexed('authorization', token(random))
  const images = Array.from({ length: RING }, () =>
    image(encoder, [
      ...constant,
      indexed('grpc-timeout', `${Math.floor(59_000_000 + random() * 1_000_000)}u`),
      indexed('traceparent', `00-${hex(32, random)}-${hex(16, random)}-01`),
      kind === 'token' ? own : indexed('authorization', token(random)),
    ]),
  )
  return { images, again: 0 }
}

/** A generator of numbers in [0, 1) that are the same in each run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function indexed(name: string, value: string): HeaderField {
  const key = nameOf(name)
  const isStatic = (name === ':method' && value === 'POST') || (name === ':scheme' && value === 'http')
  return new HeaderField(key, value, Mode.INDEXED, isStatic ? STATIC[name] : 0)
}

/** RFC 7541 Appendix A: POST and http. */
const STATIC: Readonly<Record<string, number>> = { ':method': 3, ':scheme': 6 }

function image(encoder: HpackEncoder, fields: readonly HeaderField[]): Buffer {
  const bytes = Buffer.alloc(2 * HEAD_BYTES + maxEncodedBytes(fields) + MESSAGE.length)
  const end = encoder.encode(fields, bytes, HEAD_BYTES)
  writeHead(bytes, 0, end - HEAD_BYTES, FrameType.HEADERS, Flag.END_HEADERS, 0)
  writeHead(bytes, end, MESSAGE.length, FrameType.DATA, Flag.END_STREAM, 0)
  MESSAGE.copy(bytes, end + HEAD_BYTES)
  return bytes.subarray(0, end + HEAD_BYTES + MESSAGE.length)
}

function token(random: () => number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return `Bearer ${pick(letters, TOKEN_BYTES - 'Bearer '.length, random)}`
}

function hex(length: number, random: () => number): string {
  return pick('0123456789abcdef', length, random)
}

function pick(letters: string, length: number, random: () => number): string {
  let text = ''
  while (text.length < length) text += letters[Math.floor(random() * letters.length)]
  return text
}
