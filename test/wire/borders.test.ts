/** What waits for a flush or for the socket goes out in the pieces in which it came: only windows cut it. */
import t from 'tap'
import { FrameType } from '../support/frames.ts'
import { block, RESPONSE, Rig } from './connection-rig.ts'

const FLUSH_BYTES = 20_000
/** Odd ones, more than one flush and more than one turn of the ring holds. */
const SIZES = [9_000, 9_000, 9_000, 16_384, 1, 16_384, 12_345, 7, 16_384, 4_096]

/** A server with open streams 1, 3, …, each with its response begun, and windows without end. */
function opened(streams: number): Rig {
  const rig = new Rig('server', { maxOutputBytes: FLUSH_BYTES }).begin({ 4: 2 ** 30 }).window(0, 2 ** 30)
  for (let i = 0; i < streams; i++) {
    rig.headers(2 * i + 1, [[':method', 'POST'] as const, [':scheme', 'http'], [':path', '/a.B/C']])
    rig.listeners[i]!.stream.sendHeaders(block(RESPONSE), false)
  }
  rig.sent()
  return rig
}

/** Lengths of the DATA of one stream in all that is flushed until nothing is left; and the largest flush. */
function flushed(rig: Rig): { sizes: Map<number, number[]>; most: number } {
  const sizes = new Map<number, number[]>()
  let most = 0
  for (let frames = rig.frames(); frames.length > 0; frames = rig.frames()) {
    const data = frames.filter(({ type }) => type === FrameType.DATA)
    most = Math.max(
      most,
      data.reduce((sum, { payload }) => sum + payload.length, 0),
    )
    for (const { streamId, payload } of data) sizes.set(streamId, [...(sizes.get(streamId) ?? []), payload.length])
  }
  return { sizes, most }
}

for (const congested of [false, true]) {
  t.test(
    `the borders of one stream's DATA, ${congested ? 'which waits for the socket' : 'more than a flush holds'}`,
    async t => {
      const rig = opened(1)
      const { stream } = rig.listeners[0]!
      rig.connection.congested = congested
      for (const size of SIZES) stream.sendData(Buffer.alloc(size), 0, size, false)
      rig.connection.congested = false
      const { sizes, most } = flushed(rig)
      t.same(sizes.get(1), SIZES)
      t.ok(most <= FLUSH_BYTES + 16_384, `${most} bytes in one flush`)
    },
  )
}

t.test('the borders of streams that take turns', async t => {
  const rig = opened(3)
  rig.connection.congested = true
  for (const size of SIZES) for (const { stream } of rig.listeners) stream.sendData(Buffer.alloc(size), 0, size, false)
  rig.connection.congested = false
  const { sizes } = flushed(rig)
  t.same([...sizes.values()], [SIZES, SIZES, SIZES])
})

t.test('a window that is too small cuts, and nothing waits for what does not come', async t => {
  const rig = opened(1)
  const { stream } = rig.listeners[0]!
  rig.settings({ 4: 1_000 })
  stream.sendData(Buffer.alloc(9_000), 0, 9_000, false)
  t.same(flushed(rig).sizes.get(1), [1_000])
  rig.window(1, 500)
  t.same(flushed(rig).sizes.get(1), [500])
  rig.window(1, 100_000)
  t.same(flushed(rig).sizes.get(1), [7_500])
})

t.test('a frame of more than 16 KiB is cut where a flush ends', async t => {
  const rig = opened(1)
  rig.settings({ 5: 100_000 })
  const { stream } = rig.listeners[0]!
  stream.sendData(Buffer.alloc(90_000), 0, 90_000, false)
  const { sizes, most } = flushed(rig)
  t.equal(
    sizes.get(1)!.reduce((sum, size) => sum + size, 0),
    90_000,
  )
  t.ok(most <= FLUSH_BYTES + 16_384, `${most} bytes in one flush`)
})
