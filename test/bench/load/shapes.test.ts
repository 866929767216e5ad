/** Each shape of call, from the generator's process to the backend's; and unary calls to a server of node:http2. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { generate, timeLimitMs } from '../../../bench/load/generator.ts'
import { load } from '../../../bench/load/load.ts'
import type { LoadReport, Shape } from '../../../bench/load/shape.ts'
import { BULK_BYTES, SMALL_BYTES } from '../../../bench/subjects/world.ts'
import { certificates } from '../../support/certs.ts'
import { WHOLE } from '../../support/whole.ts'
import { backend, LARGER, nodeServer, SMALL } from './rig.ts'

const CALLS = WHOLE ? 60 : 20
const CLOSED = { kind: 'closed', streams: 5, calls: CALLS } as const

interface Case {
  readonly shape: Shape
  /** Of one call, both ways. */
  readonly bytes: number
  readonly messages: number
}

const CASES: readonly Case[] = [
  { shape: SMALL, bytes: 2 * SMALL_BYTES, messages: 2 },
  { shape: LARGER, bytes: 2_000 + SMALL_BYTES, messages: 2 },
  { shape: { kind: 'unary', requestBytes: 100, responseBytes: 1_000 }, bytes: 1_100, messages: 2 },
  {
    shape: { kind: 'unary', requestBytes: SMALL_BYTES, responseBytes: BULK_BYTES },
    bytes: SMALL_BYTES + BULK_BYTES,
    messages: 2,
  },
  { shape: { kind: 'unary', requestBytes: 300_000, responseBytes: 16_384 }, bytes: 316_384, messages: 2 },
  {
    shape: { kind: 'server-stream', messages: 300, messageBytes: 39 },
    bytes: SMALL_BYTES + 300 * 39,
    messages: 301,
  },
  // Borders of messages and frames fall differently.
  {
    shape: { kind: 'client-stream', messages: 7, messageBytes: 20_001 },
    bytes: SMALL_BYTES + 7 * 20_001,
    messages: 8,
  },
  { shape: { kind: 'ping-pong', messages: 6, messageBytes: 17_000 }, bytes: 12 * 17_000, messages: 12 },
  { shape: { kind: 'duplex', messages: 40, messageBytes: 5_000 }, bytes: 80 * 5_000, messages: 80 },
  // The shortest that there is.
  { shape: { kind: 'duplex', messages: 3, messageBytes: 5 }, bytes: 30, messages: 6 },
]

function matches(t: Test, report: LoadReport, { bytes, messages }: Case): void {
  t.equal(report.calls, CALLS)
  t.equal(report.dataBytes, CALLS * bytes)
  t.equal(report.messages, CALLS * messages)
  t.ok(report.seconds > 0)
  const { p50, p90, p99, p999, max, mean } = report.latency
  t.ok(p50 > 0 && p50 <= p90 && p90 <= p99 && p99 <= p999 && p999 <= max && mean <= max, 'percentiles ascend')
}

t.test('shapes', async t => {
  const port = await backend(t)
  for (const one of CASES) {
    await t.test(JSON.stringify(one.shape), async t => {
      matches(t, await load({ port, connections: 3, shape: one.shape, mode: CLOSED }), one)
    })
  }
  for (const headers of ['same', 'fresh', 'token'] as const) {
    for (const one of [CASES[0]!, CASES[1]!]) {
      await t.test(`headers ${headers}, ${JSON.stringify(one.shape)}`, async t => {
        matches(t, await load({ port, connections: 2, shape: one.shape, headers, mode: CLOSED }), one)
      })
    }
  }
  for (const headerBytes of [100, 8_000, 30_000]) {
    await t.test(`${headerBytes} header bytes`, async t => {
      matches(t, await load({ port, connections: 2, shape: SMALL, headerBytes, mode: CLOSED }), CASES[0]!)
    })
  }
  await t.test('as a process', async t => {
    for (const one of [CASES[0]!, CASES[5]!]) {
      matches(t, await generate({ port, connections: 3, shape: one.shape, mode: CLOSED }), one)
    }
  })
  await t.test('the open loop has other shapes too', async t => {
    const mode = { kind: 'open', rate: 300, seconds: 0.3, warmUpSeconds: 0.1 } as const
    for (const { shape, bytes } of [CASES[4]!, CASES[5]!, CASES[8]!]) {
      const report = await load({ port, connections: 3, shape, mode })
      t.ok(report.calls > 30 && report.calls < 300, `${report.calls} calls`)
      t.equal(report.dataBytes, report.calls * bytes)
      t.ok(report.lag!.max >= report.lag!.p50)
    }
  })
})

t.test('more calls at a time than the server allows wait for their turn', async t => {
  const port = await backend(t, { maxConcurrentStreams: 3 })
  const mode = { kind: 'closed', streams: 20, calls: CALLS } as const
  for (const one of [CASES[0]!, CASES[1]!])
    matches(t, await load({ port, connections: 1, shape: one.shape, mode }), one)
})

t.test('a server of node:http2', async t => {
  const { port } = await nodeServer(t)
  for (const one of CASES.slice(0, 5)) {
    matches(t, await load({ port, connections: 2, shape: one.shape, mode: CLOSED }), one)
  }
})

t.test('TLS', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'grpc-verbatim-load-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const { ca, server, strangerCa } = await certificates()
  const files = { ca: ca.cert, cert: server.cert, key: server.key, stranger: strangerCa.cert }
  const paths = Object.fromEntries(Object.keys(files).map(name => [name, join(folder, `${name}.pem`)]))
  for (const [name, text] of Object.entries(files)) writeFileSync(paths[name]!, text)
  const port = await backend(t, { cert: paths.cert, key: paths.key })
  const tls = { ca: paths.ca! }
  for (const one of [CASES[0]!, CASES[4]!, CASES[8]!]) {
    matches(t, await load({ port, tls, connections: 2, shape: one.shape, mode: CLOSED }), one)
  }
  const connect = { kind: 'connect', calls: CALLS } as const
  matches(t, await load({ port, tls, connections: 4, shape: SMALL, mode: connect }), CASES[0]!)
  const peer = await nodeServer(t, server)
  matches(t, await load({ port: peer.port, tls, connections: 2, shape: SMALL, mode: CLOSED }), CASES[0]!)
  await t.rejects(
    load({ port, tls: { ca: paths.stranger! }, connections: 1, shape: SMALL, mode: CLOSED }),
    { message: /certificate/ },
    'a CA that did not sign it',
  )
  await t.rejects(load({ port, connections: 1, shape: SMALL, mode: CLOSED }), { message: /./ }, 'no TLS to TLS')
})

t.test('connect mode opens a connection for each call', async t => {
  for (const shape of [SMALL, LARGER]) {
    const { port, sessions } = await nodeServer(t)
    const report = await load({ port, connections: 4, shape, mode: { kind: 'connect', calls: 25 } })
    t.equal(report.calls, 25)
    t.equal(sessions(), 25)
  }
  const { port, sessions } = await nodeServer(t)
  await load({ port, connections: 3, shape: SMALL, mode: CLOSED })
  t.equal(sessions(), 3, 'the closed loop does not')
})

t.test('the limit of time is in proportion to the work', async t => {
  const at = (calls: number, shape: Shape, readBytesPerSecond?: number): number =>
    timeLimitMs({ port: 1, connections: 1, shape, mode: { kind: 'closed', streams: 1, calls }, readBytesPerSecond })
  const start = at(0, SMALL)
  t.equal(at(2_000, SMALL) - start, 2 * (at(1_000, SMALL) - start))
  const stream: Shape = { kind: 'server-stream', messages: 1_000, messageBytes: 1_000 }
  t.ok(at(10, stream) > at(10, SMALL))
  t.ok(at(10, stream, 100_000) - at(10, stream) >= 10 * 10 * 1_000, 'ten calls of ten seconds each')
})
