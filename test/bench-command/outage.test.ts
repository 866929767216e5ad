/** Connections that end, with and without a new one, and what a measurement says of what it does not have. */
import http2, { type ServerHttp2Stream } from 'node:http2'
import t from 'tap'
import { openLoop } from '../../src/bench/open-loop.ts'
import { exponentialGapMs, seededRandom } from '../../src/bench/random.ts'
import { answer, bench, listening, lose, serve, wayTo } from './rig.ts'

const NEVER = new AbortController().signal
const RATE = 200
const DURATION_MS = 600
const times = () => ({ rate: RATE, random: seededRandom(4), leadInMs: 0, durationMs: DURATION_MS, messageBytes: 5 })

/** Calls that such a loop begins, whatever happens. */
function due(): number {
  const random = seededRandom(4)
  let calls = 0
  for (let at = exponentialGapMs(random, RATE); at < DURATION_MS; at += exponentialGapMs(random, RATE)) calls++
  return calls
}

t.test('open loop: a connection that ends while it is idle does not end the slice', async t => {
  let calls = 0
  const served = await serve(t, (stream, session) => {
    // As MaxConnectionAge of grpc-go does, when nothing is open.
    if (++calls % 10 === 0) stream.on('close', () => session.close())
    answer(stream)
  })
  const way = await wayTo(t, served.address)
  t.match(await openLoop(way, times(), NEVER), { calls: due(), failed: 0, complete: true, cut: undefined })
  t.ok(served.connections > 5, `${served.connections} connections`)
})

t.test('open loop: calls due while there is no connection failed, and those after it do not', async t => {
  const PAUSE_MS = 200
  let calls = 0
  let backMs = 0
  const server = http2.createServer()
  const address = await listening(t, server)
  const port = Number(address.split(':')[1])
  server.on('session', session => session.on('error', () => {}))
  server.on('stream', stream => {
    if (++calls !== 20) return answer(stream as ServerHttp2Stream)
    server.close()
    lose(stream.session!)
    setTimeout(() => server.listen(port, '127.0.0.1'), PAUSE_MS)
    server.once('listening', () => {
      backMs = performance.now()
    })
  })
  const way = await wayTo(t, address)
  const slice = await openLoop(way, times(), NEVER)
  t.match(slice, { calls: due(), complete: true })
  t.ok(backMs > 0, 'it came back')
  const unavailable = slice.endings.get(14)
  // Some forty were due.
  t.ok(slice.failed >= 20 && slice.failed === unavailable?.count, `${slice.failed} failed`)
  t.ok(slice.calls - slice.failed > 20, 'calls after it are answered')
})

t.test('slices that were cut short are counted, with the reason', async t => {
  const goodFrom = new Map<object, number>()
  const served = await serve(t, (stream, session) => {
    const now = performance.now()
    // Every second connection is good for 5 ms, and the one that replaces it for nothing.
    if (!goodFrom.has(session)) goodFrom.set(session, served.connections % 2 === 1 ? now : 0)
    if (now - goodFrom.get(session)! < 5) answer(stream)
    else lose(session)
  })
  const { code, out, report } = await bench(t, { direct: served.address })
  t.equal(code, 1)
  const cut = report!.ways[0]!.slices.filter(slice => slice.cut !== undefined).length
  t.ok(cut >= 1, `${cut} cut short`)
  t.match(out.replaceAll('\n', ' '), `direct: ${cut} slices of 20 cut short; the first: `)
})

t.test('slices that were cut short before a call counted are not the fault of --rate', async t => {
  let probed = false
  const { address } = await serve(t, (stream, session) => {
    if (probed) lose(session)
    else answer(stream)
    probed = true
  })
  const { code, out } = await bench(t, { direct: address, duration: '2' })
  t.equal(code, 1)
  t.match(out, /^Nothing was measured: no call counted, as slices were cut short: .+\.$/m)
})

t.test('a slice that ended by overload is left out: what ended in it are the fast calls', async t => {
  let firstMs = 0
  const { address } = await serve(t, stream => {
    firstMs ||= performance.now()
    // Of a slice of 2 s the first 0.2 s do not count.
    if (performance.now() - firstMs < 400) answer(stream)
  })
  const message = `hex:${'00'.repeat(200_000)}`
  const { code, out, report } = await bench(t, { direct: address, message, rate: '1000', duration: '40' })
  t.equal(code, 1)
  t.match(
    out.replaceAll('\n', ' '),
    /^Nothing was measured: .*does not carry 1,000 calls a second: 1,342 calls were open/,
  )
  t.match(report!.ways[0], { calls: 0, slices: [], latencyUs: undefined })
})

t.test('calls that were open when it was stopped are in no percentile, and that is said', async t => {
  const stop = new AbortController()
  let firstMs = 0
  let held = 0
  const { address } = await serve(t, stream => {
    firstMs ||= performance.now()
    // Of a slice of 1 s the first 0.1 s do not count.
    if (performance.now() - firstMs < 400) answer(stream)
    else if (++held === 3) stop.abort()
  })
  const { code, out, report } = await bench(t, { direct: address, duration: '20', concurrency: '3' }, stop.signal)
  t.equal(code, 130)
  t.match(out, /^direct: 3 calls had not ended when it was stopped: no percentile has them\.$/m)
  t.equal(report!.ways[0]!.slices[0]!.left, 3)
})
