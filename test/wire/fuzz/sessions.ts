/**
 * Sessions as an honest peer sends them, frame by frame, written with the independent code of test/support.
 * They are what gets mutated.
 */
import {
  Code,
  Flag,
  FrameType,
  PREFACE,
  Setting,
  type Settings,
  settingsPayload,
  uint32,
  writeFrame,
} from '../../support/frames.ts'
import { type Field, HpackEncoder, type Representation } from '../../support/hpack.ts'
import { chance, pick, type Random } from './random.ts'

export type Side = 'server' | 'client'

export interface Session {
  /** Whole frames; for a server the client's preface is the first piece. */
  readonly frames: readonly Buffer[]
  /** Streams that it is about. A client that gets it opens as many. */
  readonly streams: number
}

const NONE = Buffer.alloc(0)
/** The ACKs of the three PINGs that a connection sends. */
const PINGS = [0, 1, 2].map(i => Buffer.concat([Buffer.from('verbati'), Buffer.from([i])]))

export const frame = (type: number, flags: number, streamId: number, payload: Buffer = NONE): Buffer =>
  writeFrame({ type, flags, streamId, payload })

const REQUEST: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/a.B/C'],
  [':authority', 'x'],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
]
const RESPONSE: readonly Field[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
]
const MORE: readonly Field[] = [
  ['grpc-timeout', '99m'],
  ['user-agent', 'fuzz/1'],
  ['x-bin', '\x80\xff\x01'],
  ['x-token', 'v'.repeat(120)],
  ['x-empty', ''],
  ['cookie', 'a=b'],
  ['cookie', 'c=d'],
]
/** Blocks that no honest peer sends; for mutators. */
export const ODD_BLOCKS: readonly (readonly Field[])[] = [
  [...REQUEST, ['Upper', 'x']],
  [...REQUEST, ['', 'x']],
  [...REQUEST, ['a', 'x\n']],
  [...REQUEST, ['a', ' x']],
  [...REQUEST, ['connection', 'close']],
  [...REQUEST, ['te', 'gzip']],
  [...REQUEST, [':path', '/late']],
  [...REQUEST.slice(0, 2), [':path', '']],
  [...REQUEST.slice(0, 2)],
  [REQUEST[0]!, REQUEST[0]!, ...REQUEST.slice(1)],
  [[':unknown', 'x'], ...REQUEST],
  [...REQUEST, ['content-length', '5']],
  [...REQUEST, ['content-length', 'x']],
  [
    [':method', 'CONNECT'],
    [':authority', 'x'],
  ],
  [[':method', 'HEAD'], ...REQUEST.slice(1)],
  [[':status', '100']],
  [
    [':status', '103'],
    ['link', 'x'],
  ],
  [[':status', '101']],
  [[':status', '9999']],
  [
    [':status', '204'],
    ['content-length', '7'],
  ],
  [
    [':status', '200'],
    ['content-length', '3'],
  ],
  [
    [':status', '200'],
    [':status', '200'],
  ],
  [['grpc-status', '0']],
  [
    ['grpc-status', '0'],
    [':status', '200'],
  ],
  [],
  Array.from({ length: 140 }, (): Field => ['many', 'x']),
  [...REQUEST, ['x-big', 'v'.repeat(9_000)]],
]

/** HEADERS, or HEADERS and CONTINUATION, with padding and priority now and then. */
export function headerFrames(random: Random, streamId: number, block: Buffer, end: boolean): Buffer[] {
  const cuts = chance(random, 4) ? 1 + random(3) : 0
  const inner = new Set(Array.from({ length: cuts }, () => random(block.length + 1)))
  const places = [0, ...[...inner].sort((a, b) => a - b), block.length]
  const parts = places.slice(1).map((to, i) => block.subarray(places[i]!, to))
  return parts.map((part, i) => {
    const last = i === parts.length - 1 ? Flag.END_HEADERS : 0
    if (i > 0) return frame(FrameType.CONTINUATION, last, streamId, part)
    let flags = last | (end ? Flag.END_STREAM : 0)
    let payload = part
    if (chance(random, 8)) {
      flags |= Flag.PRIORITY
      payload = Buffer.concat([uint32(0), Buffer.from([16]), payload])
    }
    return chance(random, 8)
      ? frame(FrameType.HEADERS, flags | Flag.PADDED, streamId, pad(payload, random(20)))
      : frame(FrameType.HEADERS, flags, streamId, payload)
  })
}

export const pad = (payload: Buffer, bytes: number): Buffer =>
  Buffer.concat([Buffer.from([bytes]), payload, Buffer.alloc(bytes)])

const CONTENT = Buffer.alloc(16_384, 'fuzz')

function dataFrame(random: Random, streamId: number, end: boolean): Buffer {
  const size = chance(random, 12) ? random(3_000) : chance(random, 30) ? 12_000 + random(300) : random(60)
  const flags = end ? Flag.END_STREAM : 0
  const content = CONTENT.subarray(0, size)
  if (!chance(random, 8) || size > 3_000) return frame(FrameType.DATA, flags, streamId, content)
  return frame(FrameType.DATA, flags | Flag.PADDED, streamId, pad(content, random(30)))
}

/** Values that a peer may choose; none that makes an honest session break a rule. */
function settings(random: Random): Settings {
  const out: Record<number, number> = {}
  if (chance(random, 3)) out[Setting.INITIAL_WINDOW_SIZE] = pick(random, [0, 1, 100, 65_535, 70_000, 1_048_576])
  if (chance(random, 3)) out[Setting.HEADER_TABLE_SIZE] = pick(random, [0, 64, 100, 4_096, 65_536])
  if (chance(random, 4)) out[Setting.MAX_FRAME_SIZE] = pick(random, [16_384, 16_385, 100_000, 16_777_215])
  if (chance(random, 4)) out[Setting.MAX_CONCURRENT_STREAMS] = pick(random, [100, 1_000, 0xffffffff])
  if (chance(random, 4)) out[Setting.MAX_HEADER_LIST_SIZE] = pick(random, [4_096, 65_536])
  if (chance(random, 4)) out[99] = random(1_000)
  return out
}

/** What may come between any two frames of calls. */
export function control(random: Random, streams: number): Buffer {
  const id = 1 + 2 * random(streams)
  switch (random(8)) {
    case 0:
      return frame(FrameType.SETTINGS, 0, 0, settingsPayload(settings(random)))
    case 1:
      return frame(FrameType.PING, Flag.ACK, 0, pick(random, PINGS))
    case 2:
      return frame(FrameType.PING, 0, 0, Buffer.from([1, 2, 3, 4, 5, 6, 7, random(256)]))
    case 3:
      return frame(FrameType.PRIORITY, 0, id, Buffer.concat([uint32(0), Buffer.from([3])]))
    case 4:
      return frame(10 + random(240), random(256), random(3) === 0 ? 0 : id, CONTENT.subarray(0, random(20)))
    default:
      return frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(pick(random, [1, 7, 100, 5_000, 65_535])))
  }
}

/** One call's frames from the peer of `side`, in their order. Blocks are made when they are sent: `() => Buffer[]`. */
function call(random: Random, side: Side, id: number, encode: (fields: readonly Field[]) => Buffer) {
  const out: (() => Buffer[])[] = []
  const more = MORE.filter(() => chance(random, 3))
  const headers = (fields: readonly Field[], end: boolean) =>
    out.push(() => headerFrames(random, id, encode(fields), end))
  if (side === 'client') {
    if (chance(random, 8)) headers([[':status', '103']], false)
    if (chance(random, 6)) {
      headers([...RESPONSE, ['grpc-status', '5'], ...more], true)
      return out
    }
  } else if (chance(random, 6)) {
    headers([...REQUEST, ...more], true)
    return out
  }
  headers([...(side === 'server' ? REQUEST : RESPONSE), ...more], false)
  for (let n = random(5); n > 0; n--) {
    out.push(() => [dataFrame(random, id, false)])
    if (chance(random, 4)) out.push(() => [frame(FrameType.WINDOW_UPDATE, 0, id, uint32(1 + random(70_000)))])
  }
  const ending = random(8)
  if (ending === 0)
    out.push(() => [frame(FrameType.RST_STREAM, 0, id, uint32(pick(random, [Code.NO_ERROR, Code.CANCEL])))])
  else if (ending === 1) return out
  else if (ending < 5) headers([['grpc-status', '0'], ...more.filter(([name]) => name[0] !== ':')], true)
  else out.push(() => [dataFrame(random, id, true)])
  return out
}

/** A session against a `side`. */
function session(random: Random, side: Side): Session {
  const streams = 1 + random(6)
  const encoder = new HpackEncoder()
  // Where nothing is indexed, a session survives that a block of it is lost.
  let usual: readonly Representation[] = chance(random, 2)
    ? ['literal']
    : ['indexed', 'incremental', 'literal', 'never']
  // For limits that allow no dynamic table.
  if (chance(random, 3)) {
    encoder.resize(0)
    usual = ['literal']
  }
  const encode = (fields: readonly Field[]) => {
    if (usual.length > 1 && chance(random, 20)) encoder.resize(random(4_097))
    return encoder.encode(fields, pick(random, usual))
  }
  const frames: Buffer[] = side === 'server' ? [PREFACE] : []
  frames.push(frame(FrameType.SETTINGS, 0, 0, settingsPayload(settings(random))))
  frames.push(frame(FrameType.SETTINGS, Flag.ACK, 0))
  // Each call begins after the one before it, and then they run beside each other.
  const calls = Array.from({ length: streams }, (_, i) => call(random, side, 2 * i + 1, encode))
  let begun = 0
  for (;;) {
    const at = random(Math.min(begun + 1, streams))
    if (at === begun) begun++
    const next = calls[at]!.shift()
    if (next !== undefined) frames.push(...next())
    else if (calls.every(rest => rest.length === 0)) break
    if (chance(random, 5)) frames.push(control(random, streams))
  }
  if (chance(random, 6)) {
    const last = side === 'server' ? 0 : pick(random, [0x7fffffff, 2 * streams - 1, 2 * streams - 1, 1])
    const payload = Buffer.concat([uint32(last), uint32(pick(random, [0, 0, 2, 11])), Buffer.from('bye')])
    const at = frames.length - random(4)
    // Not into a field block.
    const inside = frames[at]?.[3] === FrameType.CONTINUATION
    frames.splice(
      inside ? frames.length : Math.max(at, side === 'server' ? 3 : 2),
      0,
      frame(FrameType.GOAWAY, 0, 0, payload),
    )
  }
  return { frames, streams }
}

export interface Corpus {
  readonly server: readonly Session[]
  readonly client: readonly Session[]
}

/** Sessions of each side that a run mutates. */
export const CORPUS_SESSIONS = 500

export function corpusOf(random: Random): Corpus {
  const of = (side: Side) => Array.from({ length: CORPUS_SESSIONS }, () => session(random, side))
  return { server: of('server'), client: of('client') }
}
