/** What an input does to an honest session. Frames are never written into: they belong to the corpus. */
import { Flag, FrameType, HEADER_BYTES, Setting, settingsPayload, uint32 } from '../../support/frames.ts'
import { HpackEncoder } from '../../support/hpack.ts'
import { chance, pick, type Random } from './random.ts'
import { control, frame, headerFrames, ODD_BLOCKS, pad, type Session } from './sessions.ts'

const STREAMS = [0, 1, 1, 2, 3, 3, 5, 7, 9, 11, 13, 101, 0x7ffffffe, 0x7fffffff, 0x80000001, 0xffffffff]
const INCREMENTS = [0, 1, 2, 100, 65_535, 65_536, 0x7fffffff, 0x80000000, 0x7fffffff - 65_535, 0xffffffff, 1 << 30]
const VALUES = [0, 1, 2, 3, 63, 64, 100, 4_096, 16_383, 16_384, 65_535, 70_000, 16_777_216, 0x7fffffff, 0xffffffff]
/** Lengths of DATA around the limits. */
const LONG = [16_000, 16_383, 16_384, 16_385, 16_900, 19_999, 20_000, 20_001]
const LENGTHS = [0, 1, 3, 4, 5, 6, 7, 8, 9, 12, 255, 16_384, 16_385, 0xffffff]

export const SETTING_IDS = Object.values(Setting)

/** Changes `frames` in one way. `others`: sessions of the same side. */
export function mutate(frames: Buffer[], random: Random, others: readonly Session[]): void {
  if (frames.length === 0) return
  const i = random(frames.length)
  const old = frames[i]!
  // The preface, and what was cut before its head ended.
  if (old.length < HEADER_BYTES || old[0] === 0x50) {
    if (chance(random, 3)) frames.splice(i, 1)
    else frames[i] = flipped(old, random)
    return
  }
  switch (random(17)) {
    case 0:
      frames[i] = flipped(old, random)
      break
    case 1: // length, so that all that follows is out of step
      frames[i] = changed(old, f =>
        f.writeUIntBE(chance(random, 2) ? pick(random, LENGTHS) : Math.max(0, old.length - 9 + random(9) - 4), 0, 3),
      )
      break
    case 2: // length, with the payload cut or filled to fit
      frames[i] = fitted(Buffer.concat([old, Buffer.alloc(random(8))]).subarray(0, 9 + random(old.length)))
      break
    case 3:
      frames[i] = changed(old, f => f.writeUInt8(random(12), 3))
      break
    case 4:
      frames[i] = changed(old, f => f.writeUInt8(old[4]! ^ pick(random, [1, 4, 8, 0x20, 1 << random(8)]), 4))
      break
    case 5:
      frames[i] = changed(old, f => f.writeUInt32BE(pick(random, STREAMS), 5))
      break
    case 6:
      frames.splice(i, 1)
      break
    case 7:
      frames.splice(random(frames.length + 1), 0, old)
      break
    case 8:
      frames[i] = frames[random(frames.length)]!
      frames.splice(random(frames.length), 0, old)
      break
    case 9: {
      const other = pick(random, others).frames
      frames.splice(i, frames.length, ...other.slice(random(other.length)))
      break
    }
    case 10:
      frames[i] = old.subarray(0, random(old.length))
      break
    case 11:
      frames.splice(i, 0, ...strange(random))
      break
    case 12:
      if (old[3] === FrameType.HEADERS || old[3] === FrameType.CONTINUATION) frames[i] = fitted(spliced(old, random, 9))
      else frames.splice(i, 0, ...strange(random))
      break
    case 13:
      frames.splice(i, 1, ...recut(old, random))
      break
    case 14:
      frames.splice(i, 0, ...flood(old, random))
      break
    case 15:
      frames[i] = revalued(old, random)
      break
    default: {
      const block = new HpackEncoder().encode(pick(random, ODD_BLOCKS))
      frames.splice(i, 0, ...headerFrames(random, pick(random, STREAMS) >>> 0, block, chance(random, 2)))
    }
  }
}

/** Frames that the peer of an honest session might send as well: most do not end it. */
export function disturb(frames: Buffer[], random: Random, streams: number): void {
  const at = Math.min(3, frames.length) + random(Math.max(1, frames.length - 2))
  // Not into a field block.
  if (frames[at]?.[3] === FrameType.CONTINUATION) return
  const id = 1 + 2 * random(streams)
  switch (random(8)) {
    case 0:
      frames.splice(at, 0, frame(FrameType.RST_STREAM, 0, id, uint32(random(14))))
      break
    case 1:
      frames.splice(at, 0, frame(FrameType.WINDOW_UPDATE, 0, id, uint32(1 + random(100_000))))
      break
    case 2: {
      const value = pick(random, [0, 0, 1, 50, 3_000, 65_535, 100_000])
      frames.splice(at, 0, frame(FrameType.SETTINGS, 0, 0, settingsPayload({ [Setting.INITIAL_WINDOW_SIZE]: value })))
      break
    }
    case 3:
      if (frames[at]?.[3] === FrameType.DATA && !(frames[at][4]! & Flag.PADDED))
        frames.splice(at, 1, ...recut(frames[at], random))
      break
    case 4: {
      const sizes = [random(5_000), random(5_000)].map(size => settingsPayload({ [Setting.HEADER_TABLE_SIZE]: size }))
      frames.splice(at, 0, frame(FrameType.SETTINGS, 0, 0, Buffer.concat(sizes)))
      break
    }
    case 5:
      if (chance(random, 3)) frames.splice(at, 0, frame(FrameType.DATA, 0, id, Buffer.alloc(pick(random, LONG))))
      else if (chance(random, 6)) {
        // So much that memory may get scarce, if nobody consumes it.
        const content = Buffer.alloc(12_000)
        const many = Array.from({ length: 8 }, () => frame(FrameType.DATA, 0, 1 + 2 * random(streams), content))
        frames.splice(at, 0, ...many)
      }
      break
    default:
      frames.splice(at, 0, control(random, streams))
  }
}

function changed(old: Buffer, change: (frame: Buffer) => void): Buffer {
  const copy = Buffer.from(old)
  change(copy)
  return copy
}

function flipped(old: Buffer, random: Random): Buffer {
  return changed(old, f => {
    if (f.length === 0) return
    // Half of them behind the head, if there is something.
    const from = f.length > HEADER_BYTES && chance(random, 2) ? HEADER_BYTES : 0
    const at = from + random(f.length - from)
    f[at] = chance(random, 2) ? f[at]! ^ (1 << random(8)) : random(256)
  })
}

/** With the length that it has. */
function fitted(bytes: Buffer): Buffer {
  return changed(bytes, f => f.writeUIntBE(f.length - HEADER_BYTES, 0, 3))
}

/** Octets out, in, doubled, or made 0xff: from `from` on. */
export function spliced(old: Buffer, random: Random, from: number): Buffer {
  const at = from + random(old.length - from + 1)
  const [head, tail] = [old.subarray(0, at), old.subarray(at)]
  switch (random(5)) {
    case 0:
      return Buffer.concat([head, tail.subarray(Math.min(tail.length, 1 + random(4)))])
    case 1:
      return Buffer.concat([head, Buffer.from(Array.from({ length: 1 + random(4) }, () => random(256))), tail])
    case 2:
      return Buffer.concat([head, tail.subarray(0, random(20)), tail])
    case 3:
      return Buffer.concat([
        head,
        Buffer.from([0xff, 0xff, 0xff].slice(random(3))),
        tail.subarray(Math.min(1, tail.length)),
      ])
    default:
      return Buffer.from(old.subarray(0, Math.max(from, at)))
  }
}

/** A frame that may not fit at all. */
function strange(random: Random): Buffer[] {
  const id = pick(random, STREAMS)
  switch (random(9)) {
    case 0: {
      const entries = Array.from({ length: 1 + random(3) }, () =>
        settingsPayload({ [pick(random, SETTING_IDS)]: pick(random, VALUES) }),
      )
      return [frame(FrameType.SETTINGS, 0, 0, Buffer.concat(entries))]
    }
    case 1:
      return [frame(FrameType.WINDOW_UPDATE, 0, id, uint32(pick(random, INCREMENTS)))]
    case 2:
      return [
        frame(
          FrameType.GOAWAY,
          0,
          0,
          Buffer.concat([uint32(pick(random, STREAMS)), uint32(random(16)), Buffer.alloc(random(1_500))]),
        ),
      ]
    case 3:
      return [frame(FrameType.RST_STREAM, 0, id, uint32(random(16)))]
    case 4:
      return [frame(FrameType.DATA, random(2), id, Buffer.alloc(chance(random, 20) ? pick(random, LONG) : random(40)))]
    case 5:
      return [frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, id, uint32(pick(random, STREAMS)))]
    case 6:
      return [frame(FrameType.CONTINUATION, random(2) * Flag.END_HEADERS, id, Buffer.alloc(random(3), 0x84))]
    case 7:
      return [frame(FrameType.SETTINGS, Flag.ACK, 0)]
    default:
      return [frame(FrameType.PING, random(2), 0, Buffer.alloc(8, random(256)))]
  }
}

/** The same with padding, in several frames, or with another END_STREAM. */
function recut(old: Buffer, random: Random): Buffer[] {
  const [type, flags, id, payload] = [old[3]!, old[4]!, old.readUInt32BE(5), old.subarray(HEADER_BYTES)]
  const at = random(payload.length + 1)
  const [one, two] = [payload.subarray(0, at), payload.subarray(at)]
  if (type === FrameType.DATA && chance(random, 2))
    return [frame(type, flags & ~1, id, one), frame(type, flags, id, two)]
  if (type !== FrameType.HEADERS && type !== FrameType.DATA)
    return [frame(type, flags, id, one), frame(type, flags, id, two)]
  if (chance(random, 2)) return [frame(type, flags | Flag.PADDED, id, pad(payload, random(256)))]
  const pieces = 1 + random(chance(random, 10) ? 40 : 4)
  const rest = Array.from({ length: pieces }, (_, i) =>
    two.subarray((i * two.length) / pieces, ((i + 1) * two.length) / pieces),
  )
  const last = flags & Flag.END_HEADERS
  return [
    frame(FrameType.HEADERS, flags & ~Flag.END_HEADERS, id, one),
    ...rest.map((part, i) => frame(FrameType.CONTINUATION, i === pieces - 1 ? last : 0, id, part)),
  ]
}

/** Most are short: limits of some are low. */
function flood(old: Buffer, random: Random): Buffer[] {
  const length = chance(random, 40) ? 1_200 : chance(random, 6) ? 250 : 12
  const one = chance(random, 2) && old.length < 100 ? old : strange(random)[0]!
  if (one.length > 1_000 || !chance(random, 3)) return new Array<Buffer>(Math.min(length, 250)).fill(one)
  // Streams that are opened and reset, as fast as it goes.
  const block = new HpackEncoder().encode(ODD_BLOCKS[chance(random, 2) ? 13 : 14]!)
  return Array.from({ length: Math.min(length, 250) }, (_, i) => [
    frame(FrameType.HEADERS, Flag.END_HEADERS, 21 + 2 * i, block),
    frame(FrameType.RST_STREAM, 0, 21 + 2 * i, uint32(8)),
  ]).flat()
}

function revalued(old: Buffer, random: Random): Buffer {
  return changed(old, f => {
    if (f[3] === FrameType.SETTINGS && f.length >= 15) {
      const at = HEADER_BYTES + 6 * random(Math.floor((f.length - HEADER_BYTES) / 6))
      if (chance(random, 3)) f.writeUInt16BE(pick(random, SETTING_IDS), at)
      f.writeUInt32BE(pick(random, VALUES), at + 2)
    } else if (f.length >= 13) f.writeUInt32BE(pick(random, chance(random, 2) ? INCREMENTS : STREAMS), HEADER_BYTES)
  })
}
