/** The two loops: which calls are made, which count, and from when. */
import type { ServerHttp2Stream } from 'node:http2'
import t from 'tap'
import { OPEN_BYTES_MAX } from '../../src/bench/bounds.ts'
import { closedLoop } from '../../src/bench/closed-loop.ts'
import { openLoop } from '../../src/bench/open-loop.ts'
import { exponentialGapMs, seededRandom } from '../../src/bench/random.ts'
import { until } from '../support/until.ts'
import { answer, lose, serve, wayTo } from './rig.ts'

const NEVER = new AbortController().signal

/** When calls begin, milliseconds from the start of the loop: what an open loop with this seed must do. */
function arrivals(seed: number, rate: number, totalMs: number): number[] {
  const random = seededRandom(seed)
  const times: number[] = []
  for (let at = exponentialGapMs(random, rate); at < totalMs; at += exponentialGapMs(random, rate)) times.push(at)
  return times
}

t.test('open loop: calls of the times drawn, whatever the service does, and latency from these times', async t => {
  const RATE = 1_000
  const times = arrivals(5, RATE, 200)
  const held: ServerHttp2Stream[] = []
  let opened = false
  // The service stalls until it has 100 calls: a client that waits for answers would never get there.
  const { address } = await serve(t, stream => {
    if (opened) return answer(stream)
    held.push(stream)
    opened = held.length === 100
    if (opened) for (const one of held) answer(one)
  })
  const way = await wayTo(t, address)
  const options = { rate: RATE, random: seededRandom(5), leadInMs: 0, durationMs: 200, messageBytes: 5 }
  const slice = await openLoop(way, options, NEVER)
  t.match(slice, { calls: times.length, failed: 0, complete: true, overload: undefined, seconds: 0.2 })
  t.equal(slice.latency.totalCount, times.length)
  // The first hundred ended when the hundredth had begun, or later.
  const least = times.slice(0, 100).map(time => (times[99]! - time) * 1_000)
  t.ok(slice.latency.maxValue >= least[0]! * 0.999, `${slice.latency.maxValue} of ${least[0]}`)
  const sum = least.reduce((total, one) => total + one, 0)
  t.ok(slice.latency.mean * slice.latency.totalCount >= sum * 0.99, 'the stall is charged to all that it met')
})

t.test('open loop: its own lateness is in the latency, and told', async t => {
  let calls = 0
  const { address } = await serve(t, stream => {
    // This process stands still for 60 ms: some sixty calls should begin meanwhile.
    if (++calls === 20) for (const from = performance.now(); performance.now() - from < 60; );
    answer(stream)
  })
  const way = await wayTo(t, address)
  const options = { rate: 1_000, random: seededRandom(3), leadInMs: 0, durationMs: 150, messageBytes: 5 }
  const slice = await openLoop(way, options, NEVER)
  t.equal(slice.calls, arrivals(3, 1_000, 150).length)
  t.ok(slice.late.maxValue >= 30_000, `late by ${slice.late.maxValue} µs`)
  t.ok(slice.latency.maxValue >= slice.late.maxValue * 0.999)
})

t.test('open loop: its time is waited for to the end, as the next begins with a gap of its own', async t => {
  const { address } = await serve(t, stream => answer(stream))
  const way = await wayTo(t, address)
  const DURATION_MS = 100
  const [first, second] = arrivals(3, 20, 10_000)
  t.ok(first! < DURATION_MS && second! > DURATION_MS, 'one call, and nothing to do after it')
  const startMs = performance.now()
  const options = { rate: 20, random: seededRandom(3), leadInMs: 0, durationMs: DURATION_MS, messageBytes: 5 }
  t.match(await openLoop(way, options, NEVER), { calls: 1, complete: true, seconds: 0.1 })
  t.ok(performance.now() - startMs >= DURATION_MS)
})

t.test('open loop: no timer stays behind a signal', async t => {
  const { address } = await serve(t, stream => answer(stream))
  const way = await wayTo(t, address)
  const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
  const before = timers()
  const stop = new AbortController()
  const options = { rate: 0.1, random: seededRandom(1), leadInMs: 0, durationMs: 60_000, messageBytes: 5 }
  const ended = openLoop(way, options, stop.signal)
  t.equal(timers(), before + 1)
  stop.abort()
  t.match(await ended, { calls: 0, complete: false })
  t.equal(timers(), before)
})

t.test('open loop: what begins in the lead-in does not count', async t => {
  const { address } = await serve(t, stream => answer(stream))
  const way = await wayTo(t, address)
  const options = { rate: 1_000, random: seededRandom(9), leadInMs: 40, durationMs: 60, messageBytes: 5 }
  const slice = await openLoop(way, options, NEVER)
  t.equal(slice.calls, arrivals(9, 1_000, 100).filter(time => time >= 40).length)
})

t.test('open loop: a service that does not carry the rate stops it, at a bound', async t => {
  let calls = 0
  const { address } = await serve(t, () => {
    calls++
  })
  const way = await wayTo(t, address)
  const messageBytes = OPEN_BYTES_MAX / 50
  const options = { rate: 2_000, random: seededRandom(1), leadInMs: 0, durationMs: 60_000, messageBytes }
  const slice = await openLoop(way, options, NEVER)
  t.match(
    slice.overload,
    /--direct\) does not carry 2,000 calls a second: 50 calls were open after .* s\. Give a lower --rate/,
  )
  t.equal(slice.complete, false)
  t.equal(way.openCalls, 50)
  await until('they are there', () => calls === 50)
})

t.test('closed loop: so many at a time, and as many as fit', async t => {
  let open = 0
  let most = 0
  let calls = 0
  const held: ServerHttp2Stream[] = []
  const end = (stream: ServerHttp2Stream): void => {
    open--
    answer(stream)
  }
  const { address } = await serve(t, stream => {
    calls++
    most = Math.max(most, ++open)
    // The first are answered when so many are there, however they came.
    if (most < 7) return void held.push(stream)
    setImmediate(() => {
      for (const one of [...held.splice(0), stream]) end(one)
    })
  })
  const way = await wayTo(t, address, { concurrency: '7', connections: '2' })
  const slice = await closedLoop(way, 7, { leadInMs: 0, durationMs: 60 }, NEVER)
  t.equal(most, 7)
  t.match(slice, { calls, failed: 0, complete: true })
  t.ok(slice.calls >= 7)
  t.ok(slice.seconds >= 0.06)
  t.equal(way.openCalls, 0)
})

t.test('closed loop: calls that fail are counted by status, and have no latency', async t => {
  let calls = 0
  const { address } = await serve(t, stream => answer(stream, ++calls % 4 === 0 ? 13 : 0, 'broken'))
  const way = await wayTo(t, address)
  const slice = await closedLoop(way, 4, { leadInMs: 0, durationMs: 50 }, NEVER)
  t.same(slice.endings.get(13), { count: Math.floor(calls / 4), detail: 'broken' })
  t.equal(slice.failed, Math.floor(calls / 4))
  t.equal(slice.latency.totalCount, slice.calls - slice.failed)
})

t.test('closed loop: a lost connection is replaced, one that answers nothing is not', async t => {
  const lossOf20th = async (durationMs: number) => {
    let calls = 0
    const served = await serve(t, (stream, session) => {
      if (++calls === 20) lose(session)
      else answer(stream)
    })
    const way = await wayTo(t, served.address, { concurrency: '3' })
    return { slice: await closedLoop(way, 3, { leadInMs: 0, durationMs }, NEVER), served }
  }
  let { slice, served } = await lossOf20th(100)
  // A busy machine may need longer for more than twenty calls.
  for (let durationMs = 1_000; slice.calls <= 20 && durationMs <= 100_000; durationMs *= 10)
    ({ slice, served } = await lossOf20th(durationMs))
  t.ok(slice.failed >= 1 && slice.failed <= 6, `${slice.failed} failed`)
  t.ok(slice.calls > 20, `${slice.calls} calls`)
  t.same([slice.complete, served.connections], [true, 2])

  const dying = await serve(t, (_, session) => lose(session))
  const other = await wayTo(t, dying.address)
  const failed = await closedLoop(other, 1, { leadInMs: 0, durationMs: 60_000 }, NEVER)
  t.match(failed, { calls: failed.failed, complete: false, cut: /GOAWAY|closed|ECONNRESET/ })
  t.ok(dying.connections <= 2, `${dying.connections} connections`)
})

t.test('closed loop: calls slower than a slice are measured all the same', async t => {
  const held: ServerHttp2Stream[] = []
  let started = 0
  const { address } = await serve(t, stream => {
    held.push(stream)
    // When this came the slice had begun.
    started ||= performance.now()
    // Not before the slice is over.
    const release = (): void => {
      if (performance.now() - started < 30) setTimeout(release, 1)
      else for (const one of held.splice(0)) answer(one)
    }
    release()
  })
  const way = await wayTo(t, address)
  const slice = await closedLoop(way, 3, { leadInMs: 5, durationMs: 10 }, NEVER)
  t.match(slice, { calls: 3, complete: true })
})

t.test('a signal ends both at once, with what was measured', async t => {
  let calls = 0
  const stop = new AbortController()
  const { address } = await serve(t, stream => {
    if (++calls === 30) stop.abort()
    else if (calls < 30) answer(stream)
  })
  const way = await wayTo(t, address)
  const closed = await closedLoop(way, 1, { leadInMs: 0, durationMs: 60_000 }, stop.signal)
  t.match(closed, { calls: 29, complete: false, left: 1, cut: undefined })
  const options = { rate: 100, random: seededRandom(1), leadInMs: 0, durationMs: 60_000, messageBytes: 5 }
  t.match(await openLoop(way, options, stop.signal), { calls: 0, complete: false })
})
