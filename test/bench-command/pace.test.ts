/** Calls that last: the lead-in is long enough for them, or it is said that it is not; the load has an end. */
import type { ServerHttp2Stream } from 'node:http2'
import t from 'tap'
import { newHistogram } from '../../src/bench/histogram.ts'
import { leadInMsOf } from '../../src/bench/pace.ts'
import { planOf } from '../../src/bench/plan.ts'
import { Slice } from '../../src/bench/slice.ts'
import { answer, bench, METHOD, serve } from './rig.ts'

/** A timer may fire a little early. */
function answerAfter(stream: ServerHttp2Stream, ms: number): void {
  const from = performance.now()
  const look = (): void => {
    if (performance.now() - from < ms) setTimeout(look, 1)
    else answer(stream)
  }
  setTimeout(look, ms)
}

function warmOf(latencyMs: number): Slice {
  const latency = newHistogram()
  latency.recordValue(latencyMs * 1_000)
  return Object.assign(new Slice(), { latency, calls: 1 })
}

t.test('open loop: the lead-in is as long as calls are, of the slower way, and no longer than a slice', async t => {
  const plan = (duration: string, load: object) => planOf({ direct: '127.0.0.1:1', path: METHOD, duration, ...load })
  const warm = [warmOf(1), warmOf(5_000)]
  const longMs = leadInMsOf(plan('600', { rate: '100' }), warm)
  t.ok(longMs >= 5_000 && longMs < 7_000, `${longMs}`)
  t.equal(leadInMsOf(plan('10', { rate: '100' }), warm), 500)
  t.equal(leadInMsOf(plan('10', { rate: '100' }), [warmOf(1)]), 50)
  t.equal(leadInMsOf(plan('10', { concurrency: '100' }), warm), 50)
})

t.test('open loop: --rate is not held by a slice that begins with an empty service', async t => {
  const LAST_MS = 40
  const { address } = await serve(t, stream => answerAfter(stream, LAST_MS))
  const { code, report } = await bench(t, { direct: address, rate: '500', duration: '2' })
  t.equal(code, 0)
  const { leadInSeconds, ways } = report!
  t.ok(leadInSeconds * 1_000 >= LAST_MS, `led in for ${leadInSeconds} s`)
  const [{ callsPerSecond, steady } = { callsPerSecond: 0, steady: false }] = ways
  t.ok(Math.abs(callsPerSecond - 500) < 75 || !steady, `${callsPerSecond} calls/s`)
})

t.test('open loop: calls that last longer than it can lead in for are told, and calls/s are by wall time', async t => {
  let calls = 0
  const { address } = await serve(t, stream => (++calls % 3 === 0 ? answerAfter(stream, 40) : answer(stream)))
  const { out, report } = await bench(t, { direct: address, rate: '500' })
  t.match(
    out.replaceAll('\n', ' '),
    /Calls direct last longer than the lead-in \([\d.]+ ms\): .* give a longer --duration/,
  )
  const [way] = report!.ways
  t.equal(way!.steady, false)
  // A slice of 10 ms, a lead-in of 10 ms at most, and 40 ms of waiting.
  t.ok(way!.callsPerSecond < 400, `${way!.callsPerSecond} calls/s`)
})

t.test('calls longer than a slice are refused after the warm-up, with the --duration that would do', async t => {
  let calls = 0
  const { address } = await serve(t, stream => {
    calls++
    answerAfter(stream, 40)
  })
  for (const load of [
    { concurrency: '2', warmUp: '0.05' },
    { rate: '100', warmUp: '0.1' },
  ]) {
    calls = 0
    const { code, out, report } = await bench(t, { direct: address, ...load })
    t.equal(code, 1)
    const said =
      /^Nothing was measured: calls to .* \(--direct\) last ([\d.]+) s, longer than a slice, which is 0\.01 s: give --duration (\d+)\./
    const found = said.exec(out.replaceAll('\n', ' '))
    if (found === null) return t.fail(`it said: ${out}`)
    const [, last, duration] = found
    t.ok(Number(last) >= 0.04, `calls last ${last} s`)
    // 20 slices that are a little longer than calls; `last` has three digits.
    t.ok(Math.abs(Number(duration) - 20 * 1.25 * Number(last)) <= 1.01, `--duration ${duration}`)
    t.match(report!.stopped, { by: 'failure' })
    t.ok(calls < 30, `${calls} calls`)
  }
})

t.test('first calls that are slow by themselves are no reason to refuse', async t => {
  let calls = 0
  const { address } = await serve(t, stream => (++calls <= 2 ? answerAfter(stream, 40) : answer(stream)))
  t.match(await bench(t, { direct: address }), { code: 0, error: '' })
})

t.test('the load ends at a multiple of --duration, however long slices wait for single calls', async t => {
  let calls = 0
  const { address } = await serve(t, stream => (++calls % 5 === 0 ? answerAfter(stream, 400) : answer(stream)))
  const { code, out, report } = await bench(t, { direct: address })
  // 20 slices would take 8 s.
  t.ok(report!.ways[0]!.slices.length < 20, `${report!.ways[0]!.slices.length} slices`)
  t.equal(code, 1)
  t.match(
    out.replaceAll('\n', ' '),
    /Not whole: the load was ended after 3\.8 s, .* \(the longest that ended: [\d.]+ s\): give --duration \d+, or a shorter --timeout-ms\./,
  )
  t.match(report!.stopped, { by: 'failure' })
  t.ok(report!.ways[0]!.calls > 0)
})
