/** Random frames in random pieces, and round trips. Frames that are wrong: fuzz/. */
import fc from 'fast-check'
import t from 'tap'
import { FrameWriter } from '../../src/wire/frame-writer.ts'
import { Flag, FrameType, type RawFrame, settingsPayload, uint32, writeFrame } from '../support/frames.ts'
import { beginning, type Event, readAll } from './recorder.test.ts'

const anyId = fc.integer({ min: 1, max: 0x7fffffff })
const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 1_000, maxLength: 3_000 }))

/** Frames as bytes, and what the reader must tell of them. */
type Piece = readonly [bytes: Buffer, events: Event[]]
const piece = (frames: RawFrame[], ...events: Event[]): Piece => [Buffer.concat(frames.map(writeFrame)), events]
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const padded = (bytes: Uint8Array, padding: number, fixed: Uint8Array = new Uint8Array()) =>
  Buffer.concat([Buffer.from([padding]), fixed, bytes, Buffer.alloc(padding)])

const anyPiece: fc.Arbitrary<Piece> = fc.oneof(
  fc.tuple(anyId, anyBytes, fc.option(fc.nat(255)), fc.boolean()).map(([streamId, bytes, padding, end]) => {
    const payload = padding === null ? Buffer.from(bytes) : padded(bytes, padding)
    const flags = (padding === null ? 0 : Flag.PADDED) | (end ? Flag.END_STREAM : 0)
    const event: Event = ['data', streamId, hex(bytes), payload.length, end, true]
    return piece([{ type: FrameType.DATA, flags, streamId, payload }], event)
  }),
  fc
    .tuple(
      anyId,
      fc.array(anyBytes, { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(255)),
      fc.boolean(),
      fc.boolean(),
    )
    .map(([streamId, fragments, padding, priority, end]) => {
      const fixed = priority ? Buffer.from('12345') : Buffer.alloc(0)
      const frames = fragments.map((fragment, i): RawFrame => {
        const last = i === fragments.length - 1 ? Flag.END_HEADERS : 0
        if (i > 0) return { type: FrameType.CONTINUATION, flags: last, streamId, payload: Buffer.from(fragment) }
        const flags = last | (priority ? Flag.PRIORITY : 0) | (end ? Flag.END_STREAM : 0)
        if (padding === null)
          return { type: FrameType.HEADERS, flags, streamId, payload: Buffer.concat([fixed, fragment]) }
        const payload = padded(fragment, padding, fixed)
        return { type: FrameType.HEADERS, flags: flags | Flag.PADDED, streamId, payload }
      })
      return piece(frames, ['headers', streamId, hex(Buffer.concat(fragments)), end])
    }),
  fc
    .tuple(anyId, fc.nat(0xffffffff))
    .map(([streamId, code]) =>
      piece([{ type: FrameType.RST_STREAM, flags: 0, streamId, payload: uint32(code) }], ['rst', streamId, code]),
    ),
  fc
    .tuple(fc.nat(9), fc.integer({ min: 1, max: 0x7fffffff }))
    .map(([streamId, by]) =>
      piece([{ type: FrameType.WINDOW_UPDATE, flags: 0, streamId, payload: uint32(by) }], ['window', streamId, by]),
    ),
  fc.tuple(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.boolean()).map(([bytes, ack]) => {
    const frame = { type: FrameType.PING, flags: ack ? Flag.ACK : 0, streamId: 0, payload: Buffer.from(bytes) }
    return piece([frame], ['ping', hex(bytes), ack])
  }),
  fc.dictionary(fc.constantFrom('1', '3', '6', '99'), fc.nat(0xffffffff)).map(settings => {
    const payload = settingsPayload(settings as Record<number, number>)
    return piece([{ type: FrameType.SETTINGS, flags: 0, streamId: 0, payload }], ['settings', hex(payload)])
  }),
  fc.tuple(fc.integer({ min: 10, max: 255 }), anyId, anyBytes).map(([type, streamId, bytes]) => {
    const payload = Buffer.from(bytes)
    return piece([{ type, flags: type, streamId, payload }], ['unknown', type, streamId, payload.length])
  }),
)

/** Cuts at the places given, as parts of the whole length. */
function cut(input: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map(place => Math.floor(place * input.length)), input.length].sort((a, b) => a - b)
  return at.slice(1).map((end, i) => input.subarray(at[i], end))
}

const anyCuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 })

t.test('any frames in any pieces', async t => {
  fc.assert(
    fc.property(fc.array(anyPiece, { maxLength: 20 }), anyCuts, (pieces, cuts) => {
      const input = Buffer.concat([beginning('server'), ...pieces.map(([bytes]) => bytes)])
      // Four fragments at most, any of them empty.
      const { events, error, heldBytes } = readAll(cut(input, cuts), { maxEmptyContinuations: 4 })
      const expected = [['settings', ''], ...pieces.flatMap(([, events]) => events)]
      if (error !== undefined) throw error
      if (heldBytes !== 0) throw new Error(`${heldBytes} bytes held`)
      if (JSON.stringify(events) !== JSON.stringify(expected)) throw new Error('other events')
    }),
    { numRuns: 500 },
  )
  t.pass('500 runs')
})

t.test('what our writer writes our reader reads', async t => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyId, fc.nat(40_000), fc.nat(5)), { maxLength: 20 }), anyCuts, (calls, cuts) => {
      const w = new FrameWriter()
      const expected: Event[] = [['settings', '000300000064']]
      w.preface()
      w.settings([[3, 100]])
      for (const [id, length, kind] of calls) {
        const bytes = Buffer.alloc(length, kind)
        if (kind < 2) {
          w.headers(id, bytes, 0, length, kind === 1)
          expected.push(['headers', id, hex(bytes), kind === 1])
        } else if (kind === 2) {
          const part = bytes.subarray(0, 16_384)
          w.data(id, part, 0, part.length, true)
          expected.push(['data', id, hex(part), part.length, true, true])
        } else if (kind === 3) {
          w.rstStream(id, length)
          expected.push(['rst', id, length])
        } else if (kind === 4) {
          w.windowUpdate(id, length + 1)
          expected.push(['window', id, length + 1])
        } else {
          w.settingsAck()
          w.goaway(id, length, bytes.subarray(0, 100))
          expected.push(['settings-ack'], ['goaway', id, length, hex(bytes.subarray(0, 100))])
        }
      }
      const { events, error } = readAll(cut(Buffer.concat(w.take()), cuts))
      if (error !== undefined) throw error
      if (JSON.stringify(events) !== JSON.stringify(expected)) throw new Error('other events')
    }),
    { numRuns: 200 },
  )
  t.pass('200 runs')
})
