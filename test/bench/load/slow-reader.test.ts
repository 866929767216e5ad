/** A reader of so many bytes a second: its sender cannot be further ahead than the window of the stream. */
import t from 'tap'
import { load } from '../../../bench/load/load.ts'
import { type PacedReader, ReadingPace } from '../../../bench/load/reading-pace.ts'
import type { Shape } from '../../../bench/load/shape.ts'
import { grpcMessage } from '../../../bench/subjects/world.ts'
import { RawServer } from '../../support/raw-server.ts'
import { backend } from './rig.ts'

const WINDOW_BYTES = 65_535
const RATE = 1_000_000

t.test('holds its sender back', async t => {
  const messageBytes = 50_000
  const messages = 6
  const server = await RawServer.listen(t, { auto: { window: true } })
  /** How far ahead of the rate the sender was at most. */
  let ahead = 0
  const serve = async (): Promise<void> => {
    const { connection, streamId } = await server.request()
    await connection.ended(streamId)
    connection.headers(streamId, [
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ])
    const body = Buffer.concat(Array.from({ length: messages }, () => grpcMessage(messageBytes)))
    let start = 0
    for (let at = 0; at < body.length; ) {
      const bytes = await connection.windows.room(streamId, Math.min(16_384, body.length - at))
      if (at === 0) start = performance.now()
      connection.data(streamId, body.subarray(at, at + bytes))
      at += bytes
      ahead = Math.max(ahead, at - ((performance.now() - start) / 1_000) * RATE)
    }
    connection.headers(streamId, [['grpc-status', '0']], { endStream: true })
  }
  const served = serve()
  const shape: Shape = { kind: 'server-stream', messages, messageBytes }
  const mode = { kind: 'closed', streams: 1, calls: 1 } as const
  const report = await load({ port: server.port, connections: 1, shape, mode, readBytesPerSecond: RATE })
  await served
  t.ok(ahead <= WINDOW_BYTES, `it was ${Math.round(ahead)} bytes ahead`)
  t.ok(ahead > WINDOW_BYTES / 2, 'it used the window')
  t.ok(
    report.seconds >= (messages * messageBytes) / RATE,
    `a call is over when all of it was read: ${report.seconds} s`,
  )
  t.equal(report.calls, 1)
})

t.test('several at a time each have the rate, and without one there is none', async t => {
  const port = await backend(t)
  const shape: Shape = { kind: 'server-stream', messages: 40, messageBytes: 5_000 }
  const mode = { kind: 'closed', streams: 4, calls: 8 } as const
  const report = await load({ port, connections: 2, shape, mode, readBytesPerSecond: RATE })
  t.equal(report.calls, 8)
  t.ok(report.latency.p50 >= 200_000 * 0.99, `${report.latency.p50} µs for 200 kB at 1 MB/s`)
})

t.test('pace', async t => {
  const pace = new ReadingPace(100_000)
  t.teardown(() => pace.stop())
  let taken = 0
  const all = Promise.withResolvers<number>()
  const reader: PacedReader = {
    heldBytes: 0,
    paidMs: 0,
    take(bytes) {
      taken += bytes
      t.ok(taken <= ((performance.now() - start) / 1_000) * 100_000, `${taken} bytes are not too many`)
      if (taken === 5_000) all.resolve(performance.now())
    },
  }
  const start = performance.now()
  pace.hold(reader, 4_000)
  pace.hold(reader, 1_000)
  t.equal(reader.heldBytes, 5_000)
  t.ok((await all.promise) - start >= 50)
  t.equal(reader.heldBytes, 0)
})
