/** Connections that end, with and without a new one, and what a measurement says of what it does not have. */
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import t from 'tap'
import { openLoop } from '../../src/bench/open-loop.ts'
import { exponentialGapMs, seededRandom } from '../../src/bench/random.ts'
import { answer, bench, listening, lose, serve, wayTo } from './rig.ts'

const NEVER = new AbortController().signal
const RATE = 200
const DURATION_MS = 600
const times = (durationMs = DURATION_MS) => ({
  ...{ rate: RATE, random: seededRandom(4), leadInMs: 0, durationMs, messageBytes: 5 },
})

/** Calls that such a loop begins, whatever happens. */
function due(durationMs = DURATION_MS): number {
  const random = seededRandom(4)
  let calls = 0
  for (let at = exponentialGapMs(random, RATE); at < durationMs; at += exponentialGapMs(random, RATE)) calls++
  return calls
}

t.test('open loop: a connection that ends while it is idle does not end the slice', async t => {
  let calls = 0
  const served = await serve(t, (stream, session) => {
    // As MaxConnectionAge of grpc-go does. PING first: a call that was sent again, having met the end of the connection
    // before, has arrived by then, and does not meet this one's too.
    if (++calls % 10 === 0) stream.on('close', () => session.destroyed || session.ping(() => session.close()))
    answer(stream)
  })
  const way = await wayTo(t, served.address)
  // On a busy machine all calls may be due, and begin, at once: then no connection ends between two of them.
  for (let tries = 0; served.connections <= 5 && tries < 20; tries++) {
    await way.open()
    t.match(await openLoop(way, times(), NEVER), { calls: due(), failed: 0, complete: true, cut: undefined })
  }
  t.ok(served.connections > 5, `${served.connections} connections`)
})

t.test('open loop: calls due while there is no connection failed, and those after it do not', async t => {
  const FAILURES = 20
  /** The server goes away at the 20th call, and is back once as many calls have failed. */
  const outage = async (durationMs: number) => {
    let calls = 0
    let failures = 0
    let socket: Socket | undefined
    const server = http2.createServer()
    const address = await listening(t, server)
    const port = Number(address.split(':')[1])
    server.on('connection', accepted => {
      socket = accepted
    })
    server.on('session', session => session.on('error', () => {}))
    server.on('stream', stream => {
      stream.on('error', () => {})
      if (++calls !== 20) return answer(stream as ServerHttp2Stream)
      server.close()
      // The bare socket: a session that is destroyed resets what is open first, with a status of its own.
      setImmediate(() => socket!.destroy())
    })
    const way = await wayTo(t, address)
    const begin = way.begin.bind(way)
    way.begin = (intendedMs, onEnd) =>
      begin(intendedMs, call => {
        if (call.status !== 0 && ++failures === FAILURES) server.listen(port, '127.0.0.1')
        onEnd(call)
      })
    return openLoop(way, times(durationMs), NEVER)
  }
  let durationMs = DURATION_MS
  let slice = await outage(durationMs)
  // On a busy machine all calls may be due before the server is back.
  for (; slice.calls - slice.failed <= 40 && durationMs < 30_000; slice = await outage(durationMs)) durationMs *= 4
  t.match(slice, { calls: due(durationMs), complete: true })
  t.ok(slice.failed >= FAILURES && slice.failed === slice.endings.get(14)?.count, `${slice.failed} failed`)
  t.ok(slice.calls - slice.failed > 40, 'calls after it are answered, beside the few before it')
})

t.test('slices that were cut short are counted, with the reason', async t => {
  const stop = new AbortController()
  const seen = new Map<object, { calls: number; sinceMs: number }>()
  const served = await serve(t, (stream, session) => {
    const own = seen.get(session) ?? { calls: 0, sinceMs: 0 }
    seen.set(session, own)
    // Of the first connection two calls come before the slice. Of a slice of 30 s the first 0.2 s do not count.
    if (++own.calls === 3) own.sinceMs = performance.now()
    if (served.connections === 5) stop.abort()
    // Every second connection is good for 0.3 s, and the one that replaces it for nothing.
    else if (served.connections % 2 === 0) lose(session)
    else if (own.calls <= 3 || performance.now() - own.sinceMs < 300) answer(stream)
    else lose(session)
  })
  const { code, out } = await bench(t, { direct: served.address, duration: '600' }, stop.signal)
  t.equal(code, 130)
  t.match(out.replaceAll('\n', ' '), 'direct: 2 slices of 3 cut short; the first: ')
})

t.test('slices that were cut short before a call counted are not the fault of --rate', async t => {
  let probed = false
  const { address } = await serve(t, (stream, session) => {
    if (!probed) answer(stream)
    else {
      // First GOAWAY: the way is known to be down when its call ends, so that no other begins, after the lead-in maybe.
      session.goaway()
      lose(session)
    }
    probed = true
  })
  const { code, out } = await bench(t, { direct: address, duration: '40' })
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
  let calls = 0
  let sliceMs = 0
  let counted = 0
  const { address } = await serve(t, stream => {
    // One call before the load and three that warm up: the fifth is the first of the first slice.
    if (++calls === 5) sliceMs = performance.now()
    // Of a slice of 30 s the first 0.2 s do not count. What comes after three that were answered later began later too.
    if (calls < 5 || performance.now() - sliceMs < 300 || ++counted <= 3) answer(stream)
    else if (counted === 6) stop.abort()
  })
  const { code, out, report } = await bench(t, { direct: address, duration: '600', concurrency: '3' }, stop.signal)
  t.equal(code, 130)
  t.match(out, /^direct: 3 calls had not ended when it was stopped: no percentile has them\.$/m)
  t.equal(report!.ways[0]!.slices[0]!.left, 3)
})
