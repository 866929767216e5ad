/** The writer, read back by the independent reader; its spans and the life of its memory. */
import fc from 'fast-check'
import t from 'tap'
import { rewriteHead } from '../../src/wire/frame.ts'
import { FrameWriter, OUTPUT_BYTES, OutputPool, REFERENCE_BYTES } from '../../src/wire/frame-writer.ts'
import { Flag, FrameReader, FrameType, PREFACE, type RawFrame, uint32, writeFrame } from '../support/frames.ts'

const sent = (writer: FrameWriter) => Buffer.concat(writer.take())
const framesOf = (bytes: Buffer) => {
  const reader = new FrameReader()
  const frames = reader.push(bytes)
  if (reader.rest.length > 0) throw new Error(`${reader.rest.length} bytes left over`)
  return frames
}
const brief = (frame: RawFrame) => [frame.type, frame.flags, frame.streamId, frame.payload.toString('latin1')]

t.test('each frame', async t => {
  const w = new FrameWriter(new OutputPool())
  w.preface()
  t.same(sent(w), PREFACE)
  w.settings([
    [3, 100],
    [4, 0x7fffffff],
  ])
  w.settingsAck()
  w.ping(Buffer.from('..12345678'), 2, false)
  w.ping(Buffer.from('12345678'), 0, true)
  w.goaway(0x7fffffff, 0xfffffffe)
  w.goaway(5, 11, Buffer.from('too_many_pings'))
  w.rstStream(7, 8)
  w.windowUpdate(0, 0x7fffffff)
  w.headers(1, Buffer.from('..block..'), 2, 7, true)
  w.headers(1, Buffer.alloc(0), 0, 0, false)
  w.data(3, Buffer.from('..data..'), 2, 6, false)
  w.data(3, Buffer.alloc(0), 0, 0, true)
  const latin1 = (...parts: Buffer[]) => Buffer.concat(parts).toString('latin1')
  t.same(framesOf(sent(w)).map(brief), [
    [FrameType.SETTINGS, 0, 0, '\0\x03\0\0\0\x64\0\x04\x7f\xff\xff\xff'],
    [FrameType.SETTINGS, Flag.ACK, 0, ''],
    [FrameType.PING, 0, 0, '12345678'],
    [FrameType.PING, Flag.ACK, 0, '12345678'],
    [FrameType.GOAWAY, 0, 0, latin1(uint32(0x7fffffff), uint32(0xfffffffe))],
    [FrameType.GOAWAY, 0, 0, latin1(uint32(5), uint32(11), Buffer.from('too_many_pings'))],
    [FrameType.RST_STREAM, 0, 7, latin1(uint32(8))],
    [FrameType.WINDOW_UPDATE, 0, 0, latin1(uint32(0x7fffffff))],
    [FrameType.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 1, 'block'],
    [FrameType.HEADERS, Flag.END_HEADERS, 1, ''],
    [FrameType.DATA, 0, 3, 'data'],
    [FrameType.DATA, Flag.END_STREAM, 3, ''],
  ])
  for (const increment of [0, -1, 2 ** 31, Number.NaN]) t.throws(() => w.windowUpdate(1, increment), RangeError)
  t.equal(w.pendingBytes, 0)
  w.goaway(0, 0, Buffer.alloc(5_000, 'x'))
  t.equal(sent(w).length, 9 + 8 + 1_024)
})

t.test("over the peer's MAX_FRAME_SIZE: CONTINUATION and several DATA", async t => {
  for (const [bytes, frames] of [
    [16_384, 1],
    [16_385, 2],
    [32_768, 2],
    [32_769, 3],
    [200_000, 13],
  ] as const) {
    const block = Buffer.from(Array.from({ length: bytes }, (_, i) => i % 251))
    const w = new FrameWriter(new OutputPool())
    w.rstStream(9, 0)
    w.headers(1, block, 0, bytes, true)
    w.data(1, block, 0, bytes, true)
    w.dataByReference(1, block, 0, bytes, true)
    const [, ...read] = framesOf(sent(w))
    t.equal(read.length, 3 * frames, `${bytes} bytes`)
    const [headers, data, referenced] = [0, 1, 2].map(i => read.slice(i * frames, (i + 1) * frames))
    for (const part of [headers!, data!, referenced!]) {
      t.ok(Buffer.concat(part.map(frame => frame.payload)).equals(block))
      t.ok(part.every(frame => frame.payload.length <= 16_384 && frame.streamId === 1))
    }
    const flags = (part: RawFrame[]) => part.map(frame => [frame.type, frame.flags])
    const continued = Array.from({ length: frames - 1 }, () => [FrameType.CONTINUATION, 0])
    const expected = [[FrameType.HEADERS, Flag.END_STREAM as number], ...continued]
    expected.at(-1)![1]! |= Flag.END_HEADERS
    t.same(flags(headers!), expected)
    t.same(flags(data!), [...Array.from({ length: frames - 1 }, () => [FrameType.DATA, 0]), [FrameType.DATA, 1]])
    t.same(flags(referenced!), flags(data!))
  }
})

t.test('a field block encoded in place', async t => {
  const w = new FrameWriter(new OutputPool())
  for (const [room, used] of [
    [10, 3],
    [100_000, 40_000],
    [70_000, 0],
  ] as const) {
    const at = w.reserveHeaders(room)
    t.ok(w.buffer.length - at >= room)
    w.buffer.fill('h', at, at + used)
    w.commitHeaders(5, at + used, false)
    const frames = framesOf(sent(w))
    t.equal(Buffer.concat(frames.map(frame => frame.payload)).toString(), 'h'.repeat(used))
  }
})

t.test('spans', async t => {
  const w = new FrameWriter(new OutputPool())
  const chunk = Buffer.concat([1, 1, 2].map(streamId => writeFrame(dataFrame(streamId, 5_000))))
  const bytes = 5_009
  for (const at of [0, bytes]) rewriteHead(chunk, at, Flag.NONE, 7)
  rewriteHead(chunk, 2 * bytes, Flag.END_STREAM, 9)
  t.equal(w.forwardSpan(chunk, 0, bytes), true)
  t.equal(w.forwardSpan(chunk, bytes, 2 * bytes), true)
  t.equal(w.forwardSpan(chunk, 2 * bytes, 3 * bytes), true)
  t.equal(w.pendingBytes, 3 * bytes)
  const merged = w.take()
  t.equal(merged.length, 1, 'neighbours are one span')
  t.equal(merged[0], chunk, '… and the chunk itself, where that is all of it')
  t.same(
    framesOf(merged[0]!).map(frame => [frame.streamId, frame.flags]),
    [
      [7, 0],
      [7, 0],
      [9, 1],
    ],
  )

  w.forwardSpan(chunk, 0, bytes)
  w.rstStream(1, 8)
  w.forwardSpan(chunk, bytes, 2 * bytes)
  const apart = w.take()
  t.same(
    apart.map(span => span.length),
    [bytes, 13, bytes],
    'what was written between stays between',
  )

  const small = writeFrame(dataFrame(1, REFERENCE_BYTES - 10))
  t.equal(w.forwardSpan(small, 0, small.length), false, 'a small one is copied')
  small.fill(0)
  t.equal(framesOf(sent(w))[0]!.payload.length, REFERENCE_BYTES - 10)
  w.forwardSpan(chunk, 0, bytes)
  t.equal(w.forwardSpan(chunk, bytes, bytes + 100), true, '… unless it goes on where the last ended')
  t.equal(w.take().length, 1)
  w.copySpan(chunk, 0, bytes)
  t.equal(w.dataByReference(1, chunk, 0, REFERENCE_BYTES - 1, false), false)
  t.equal(w.take().length, 1, 'copied')
})

function dataFrame(streamId: number, bytes: number): RawFrame {
  return { type: FrameType.DATA, flags: 0, streamId, payload: Buffer.alloc(bytes, streamId) }
}

t.test('the memory of a buffer', async t => {
  t.test('is written again after reuse, not before', async t => {
    const pool = new OutputPool()
    const w = new FrameWriter(pool)
    w.data(1, Buffer.from('first'), 0, 5, false)
    const [first] = w.take()
    w.data(1, Buffer.from('second'), 0, 6, false)
    const [second] = w.take()
    t.equal(first!.toString('latin1', 9), 'first', 'nothing was said: the first is still there')
    t.equal(second!.buffer, first!.buffer, 'behind it in the same buffer')
    w.reuse()
    t.equal(pool.free, 1, 'an idle writer holds none')
    w.data(1, Buffer.from('third'), 0, 5, false)
    const [third] = w.take()
    t.equal(third!.buffer, first!.buffer)
    t.equal(first!.toString('latin1', 9), 'third', 'said too early, the first would be lost: this is what it means')
  })

  t.test('reuse while frames were not taken frees nothing', async t => {
    const w = new FrameWriter(new OutputPool())
    const payload = Buffer.alloc(40_000, 'p')
    w.maxFrameSize = 65_536
    for (let i = 0; i < 5; i++) w.data(i, payload, 0, payload.length, false)
    w.reuse()
    for (let i = 5; i < 10; i++) w.data(i, payload, 0, payload.length, false)
    const frames = framesOf(sent(w))
    t.same(
      frames.map(frame => frame.streamId),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    )
    t.ok(frames.every(frame => frame.payload.equals(payload)))
  })

  t.test('a slow socket pins what it has not sent, not a buffer a flush', async t => {
    const w = new FrameWriter(new OutputPool())
    const buffers = new Set<unknown>()
    for (let i = 0; i < 1_000; i++) {
      w.ping(Buffer.alloc(8), 0, true)
      for (const span of w.take()) buffers.add(span.buffer)
    }
    t.equal(buffers.size, 1, '1,000 flushes of 17 bytes')
  })

  t.test('the pool is bounded and shared', async t => {
    const pool = new OutputPool(2)
    const writers = Array.from({ length: 5 }, () => new FrameWriter(pool))
    for (const w of writers) w.settingsAck()
    for (const w of writers) w.take()
    for (const w of writers) w.reuse()
    t.equal(pool.free, 2)
    const w = new FrameWriter(pool)
    w.data(1, Buffer.alloc(10 * OUTPUT_BYTES), 0, 10 * OUTPUT_BYTES, false)
    w.take()
    w.reuse()
    t.equal(pool.free, 2)
    const large = w.reserveHeaders(OUTPUT_BYTES + 1)
    w.commitHeaders(1, large, false)
    w.take()
    w.reuse()
    t.equal(pool.free, 2, 'a buffer of another size does not come in')
  })

  t.test('discard', async t => {
    const w = new FrameWriter(new OutputPool())
    w.data(1, Buffer.alloc(100_000), 0, 100_000, false)
    w.discard()
    t.equal(w.pendingBytes, 0)
    t.same(w.take(), [])
    w.settingsAck()
    t.equal(framesOf(sent(w)).length, 1)
  })
})

/** A step of the model: a call on the writer, and the frames that must come out. */
type Step = (w: FrameWriter) => RawFrame[]

const bytesOf = (length: number, fill: number) => Buffer.alloc(length, fill)
const anyLength = fc.oneof(
  fc.nat(200),
  fc.nat(20_000),
  fc.constantFrom(63, 64, REFERENCE_BYTES - 1, REFERENCE_BYTES, 70_000),
)
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.nat(3), anyLength, fc.nat(255), fc.boolean()).map(
    ([how, length, fill, end]): Step =>
      w => {
        const payload = bytesOf(length, fill)
        const flags = end ? Flag.END_STREAM : 0
        if (how === 0) {
          w.dataByReference(5, payload, 0, length, end)
        } else if (how === 1) {
          w.data(5, payload, 0, length, end)
          payload.fill(0xdd)
        } else {
          const chunk = writeFrame({ type: FrameType.DATA, flags, streamId: 5, payload })
          const kept = how === 2 ? w.forwardSpan(chunk, 0, chunk.length) : w.copySpan(chunk, 0, chunk.length)
          if (kept !== true) chunk.fill(0xdd)
          return [{ type: FrameType.DATA, flags, streamId: 5, payload: bytesOf(length, fill) }]
        }
        return split(FrameType.DATA, FrameType.DATA, bytesOf(length, fill), 5, 0, flags)
      },
  ),
  fc.tuple(anyLength, fc.nat(255), fc.boolean()).map(
    ([length, fill, end]): Step =>
      w => {
        w.headers(9, bytesOf(length, fill), 0, length, end)
        const first = end ? Flag.END_STREAM : 0
        return split(FrameType.HEADERS, FrameType.CONTINUATION, bytesOf(length, fill), 9, first, Flag.END_HEADERS)
      },
  ),
  fc.nat().map(
    (code): Step =>
      w => {
        w.rstStream(3, code)
        return [{ type: FrameType.RST_STREAM, flags: 0, streamId: 3, payload: uint32(code) }]
      },
  ),
)

/** One payload as frames of at most 16,384 bytes; `last` are flags of the last, `first` of the first. */
function split(type: number, next: number, payload: Buffer, streamId: number, first: number, last: number): RawFrame[] {
  const frames: RawFrame[] = []
  for (let at = 0; at === 0 || at < payload.length; at += 16_384) {
    const end = at + 16_384 >= payload.length
    const flags = (at === 0 ? first : 0) | (end ? last : 0)
    frames.push({ type: at === 0 ? type : next, flags, streamId, payload: payload.subarray(at, at + 16_384) })
  }
  return frames
}

t.test('any frames, any flushes: what comes out is what went in', async t => {
  const pool = new OutputPool()
  fc.assert(
    fc.property(fc.array(fc.tuple(anyStep, fc.nat(3)), { maxLength: 60 }), steps => {
      const w = new FrameWriter(pool)
      const expected: RawFrame[] = []
      const wire: Buffer[] = []
      // A socket that sends later: spans are copied only when it says so.
      let underWay: Buffer[] = []
      const flush = () => {
        underWay.push(...w.take())
      }
      const drained = () => {
        for (const span of underWay) wire.push(Buffer.from(span))
        underWay = []
        w.reuse()
      }
      for (const [step, then] of steps) {
        expected.push(...step(w))
        if (then === 1) flush()
        if (then === 2) drained()
        if (then === 3) {
          flush()
          drained()
        }
      }
      flush()
      drained()
      const got = framesOf(Buffer.concat(wire))
      const same = got.length === expected.length && got.every((frame, i) => sameFrame(frame, expected[i]!))
      if (!same) throw new Error(`${got.length} frames of ${expected.length}`)
    }),
    { numRuns: 300 },
  )
  t.pass('300 runs')
})

function sameFrame(a: RawFrame, b: RawFrame): boolean {
  return a.type === b.type && a.flags === b.flags && a.streamId === b.streamId && a.payload.equals(b.payload)
}
