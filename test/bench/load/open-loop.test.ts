/** The open loop: latency counts from when calls should have begun (no coordinated omission). */

import { once } from 'node:events'
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import t, { type Test } from 'tap'
import { arrivals } from '../../../bench/load/arrivals.ts'
import type { Caller, CallerOwner } from '../../../bench/load/caller.ts'
import { generate } from '../../../bench/load/generator.ts'
import { load } from '../../../bench/load/load.ts'
import { runOpen } from '../../../bench/load/open-mode.ts'
import { percentilesOf } from '../../../bench/load/outcome.ts'
import type { Percentiles, Shape } from '../../../bench/load/shape.ts'
import { grpcMessage, SMALL_BYTES } from '../../../bench/subjects/world.ts'
import type { Scope } from '../../support/teardown.ts'
import { LARGER, SMALL } from './rig.ts'

const STALL_MS = 200

/**
 * Answers at once, but does nothing at all for a while when its `stallAt`th call has come. It takes few calls at a
 * time, so that most of what is due meanwhile waits in the client.
 */
async function stallingServer(t: Scope, stallAt: number): Promise<number> {
  const server = http2.createServer({ settings: { maxConcurrentStreams: 3 } })
  let calls = 0
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {})
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    if (++calls === stallAt) for (const end = performance.now() + STALL_MS; performance.now() < end; );
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.end(grpcMessage(SMALL_BYTES))
    stream.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

/** The `rank`th longest time, in milliseconds. */
function longestMs(histogram: ReturnType<typeof decodeFromCompressedBase64>, rank: number): number {
  const { totalCount } = histogram
  return histogram.getValueAtPercentile(((totalCount - rank + 0.5) / totalCount) * 100) / 1_000
}

/** All but the first `first` calls ended no sooner than a stall's length after the last of these was due. */
function holds(t: Test, report: Percentiles, times: Float64Array, first: number): void {
  const histogram = decodeFromCompressedBase64(report.histogram)
  t.equal(histogram.totalCount, times.length)
  const stallMs = times[first - 1]!
  for (const latencyMs of [20, 50, 100, 150, 190]) {
    const due = times.slice(first).filter(time => time <= stallMs + STALL_MS - latencyMs).length
    const took = longestMs(histogram, due)
    t.ok(took >= latencyMs, `${due} calls must have taken ${latencyMs} ms: the shortest of the longest took ${took}`)
    if (latencyMs === 20) t.ok(due > 60, `${due} were due: the test says something`)
  }
  t.ok(report.p90 >= 50_000, `p90 is ${report.p90} µs`)
  t.ok(report.p99 >= 150_000, `p99 is ${report.p99} µs`)
  t.ok(report.max >= 190_000)
}

for (const [carrier, shape] of [
  ['images', SMALL],
  ['streams', LARGER],
] as const satisfies readonly (readonly [string, Shape])[]) {
  t.test(`a stall counts for every call that was due meanwhile: ${carrier}`, async t => {
    const stallAt = 100
    const [rate, seconds] = [500, 1]
    const port = await stallingServer(t, stallAt)
    const report = await generate({
      port,
      connections: 2,
      shape,
      mode: { kind: 'open', rate, seconds, warmUpSeconds: 0 },
    })
    // When the server stalls, `stallAt` calls have begun: that is not before the time of the last of these. All other
    // calls end after the stall.
    holds(t, report.latency, arrivals(rate, seconds), stallAt)
    t.ok(report.lag !== undefined)
  })
}

t.test('a generator that is late itself counts it, as latency and as lag', async t => {
  const mode = { kind: 'open', rate: 500, seconds: 1, warmUpSeconds: 0 } as const
  const late = 100
  /** Ends each call at once, and holds everything up within one of them. */
  const openAll = async (owner: CallerOwner): Promise<Caller[]> => {
    let calls = 0
    const caller: Caller = {
      call(intended) {
        if (++calls === late) for (const end = performance.now() + STALL_MS; performance.now() < end; );
        owner.onEnd(caller, intended, undefined)
      },
      flush() {},
      close() {},
    }
    return [caller]
  }
  const { latency, lag } = await runOpen({ openAll }, mode)
  const times = arrivals(mode.rate, mode.seconds)
  holds(t, percentilesOf(latency), times, late)
  holds(t, percentilesOf(lag!), times, late)
})

t.test('arrivals', async t => {
  const times = arrivals(1_000, 10)
  t.ok(Math.abs(times.length - 10_000) < 500, `${times.length} in ten seconds`)
  t.ok(
    times.every((time, i) => time < 10_000 && (i === 0 || time >= times[i - 1]!)),
    'ascending, and in time',
  )
  t.same(arrivals(1_000, 10), times, 'the same each time')
  // Exponential: a share of e⁻¹ of the gaps is longer than the mean.
  const long = times.filter((time, i) => i > 0 && time - times[i - 1]! > 1).length / times.length
  t.ok(Math.abs(long - Math.exp(-1)) < 0.03, `${long} of the gaps`)
  for (const [rate, seconds] of [
    [0, 1],
    [1, 0],
    [Number.NaN, 1],
    [1e9, 1e9],
  ] as const) {
    t.throws(() => arrivals(rate, seconds), RangeError)
  }
})

t.test('the warm-up is not counted', async t => {
  const port = await stallingServer(t, 50)
  const mode = { kind: 'open', rate: 200, seconds: 0.5, warmUpSeconds: 0.5 } as const
  const report = await load({ port, connections: 2, shape: SMALL, mode })
  t.equal(report.calls, arrivals(200, 1).filter(time => time >= 500).length)
  t.equal(report.seconds, 0.5)
})
