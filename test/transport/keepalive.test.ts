/** When a silent peer is asked whether it is there, and when it is given up; with frames: test/contract/lifetimes.ts. */
import t from 'tap'
import { Keepalive, type KeepaliveOptions } from '../../src/transport/keepalive.ts'
import { FakeClock } from '../support/fake-clock.ts'

const INTERVAL_MS = 8_000
const TIMEOUT_MS = 800
/** No PING is later than this after the interval. */
const LOOK_MS = INTERVAL_MS / 8

function watched(options: Partial<KeepaliveOptions> = {}) {
  const clock = new FakeClock()
  const session = {
    streams: 1,
    received: 5,
    /** When each PING went out. */
    pings: [] as number[],
    ping: () => session.pings.push(clock.now()),
  }
  const given: string[] = []
  const used = { intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS, withoutCalls: false, ...options }
  const keepalive = new Keepalive(session, used, clock, reason => given.push(reason))
  return { clock, session, given, keepalive, options: used }
}

t.test('a peer that says something now and then is never asked', async t => {
  const { clock, session, given } = watched()
  for (let i = 0; i < 100; i++) {
    clock.advance(INTERVAL_MS - 1)
    session.received++
  }
  t.same([session.pings, given], [[], []])
})

t.test('a PING after the silence, never before its time and at most a look later', async t => {
  for (let heardAt = 0; heardAt <= LOOK_MS; heardAt += LOOK_MS / 7) {
    const { clock, session } = watched()
    clock.advance(heardAt)
    session.received++
    const heardMs = clock.now()
    clock.advance(INTERVAL_MS + LOOK_MS)
    t.equal(session.pings.length, 1, `heard at ${heardAt} ms`)
    const silenceMs = session.pings[0]! - heardMs
    t.ok(silenceMs >= INTERVAL_MS && silenceMs <= INTERVAL_MS + LOOK_MS, `${silenceMs} ms of silence`)
  }
})

t.test('a peer that answers is asked again after the interval, and never two times within it', async t => {
  const { clock, session, given } = watched()
  for (let i = 0; i < 20_000; i++) {
    clock.advance(10)
    // Its answer takes 10 ms.
    if (session.pings.at(-1) === clock.now() - 10) session.received++
  }
  t.same(given, [])
  t.ok(session.pings.length > 20, `${session.pings.length} PINGs`)
  const gaps = session.pings.slice(1).map((ms, i) => ms - session.pings[i]!)
  // grpc-go's server counts a strike for each that comes less than `MinTime` after the one before.
  t.ok(Math.min(...gaps) >= INTERVAL_MS, `${Math.min(...gaps)} ms between two`)
})

t.test('whatever calls come and go and whatever is answered, no PING comes within the interval of another', async t => {
  const { clock, session } = watched()
  // xorshift32
  let state = 2_463_534_242
  const chance = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 50_000; i++) {
    clock.advance(1 + 200 * chance())
    session.streams = chance() < 0.5 ? 0 : 1
    const waits = session.pings.length > 0 && clock.now() - session.pings.at(-1)! < TIMEOUT_MS / 2
    if (waits || chance() < 0.01) session.received++
  }
  const gaps = session.pings.slice(1).map((ms, i) => ms - session.pings[i]!)
  t.ok(gaps.length > 50, `${gaps.length} gaps`)
  t.ok(Math.min(...gaps) >= INTERVAL_MS, `${Math.min(...gaps)} ms between two`)
})

t.test('no answer: the peer is given up after the timeout, once, and nothing goes on', async t => {
  const { clock, session, given } = watched()
  clock.advance(INTERVAL_MS)
  t.equal(session.pings.length, 1)
  clock.advance(TIMEOUT_MS - 1)
  t.same(given, [])
  clock.advance(1)
  t.same(given, [`no answer to a PING within ${TIMEOUT_MS} ms`])
  t.equal(clock.pending, 0)
  clock.advance(10 * INTERVAL_MS)
  t.same([given.length, session.pings.length], [1, 1])
})

t.test('anything that comes is an answer, also in the last moment', async t => {
  const { clock, session, given } = watched()
  clock.advance(INTERVAL_MS + TIMEOUT_MS - 1)
  session.received++
  clock.advance(INTERVAL_MS - 1)
  t.same([given, session.pings.length], [[], 1])
})

t.test('without calls it is not asked; with the next one at once, as the silence was long', async t => {
  const { clock, session, given } = watched()
  session.streams = 0
  clock.advance(100 * INTERVAL_MS)
  t.same(session.pings, [])
  session.streams = 1
  clock.advance(LOOK_MS)
  t.equal(session.pings.length, 1)
  clock.advance(TIMEOUT_MS)
  t.equal(given.length, 1)
})

t.test('withoutCalls: it is asked all the same', async t => {
  const { clock, session } = watched({ withoutCalls: true })
  session.streams = 0
  clock.advance(INTERVAL_MS)
  t.equal(session.pings.length, 1)
})

t.test('the call ends while the PING waits: a peer that does not answer it is given up all the same', async t => {
  const { clock, session, given } = watched()
  clock.advance(INTERVAL_MS)
  session.streams = 0
  clock.advance(TIMEOUT_MS)
  t.equal(given.length, 1)
})

// Timers come before what has arrived: of a peer that has answered, nothing was read yet when they do.
t.test('this process stands still: a peer that has answered meanwhile is not given up', async t => {
  const { clock, session, given } = watched()
  clock.advance(INTERVAL_MS)
  clock.pause(100 * TIMEOUT_MS)
  t.same(given, [])
  session.received++
  clock.advance(INTERVAL_MS - 1)
  t.same([given, session.pings.length], [[], 1])
})

t.test('a longer interval holds at once, and the one that was asked by is known', async t => {
  const { clock, session, keepalive, options } = watched()
  t.equal(keepalive.askedAfterMs, 0)
  clock.advance(INTERVAL_MS)
  session.received++
  clock.advance(TIMEOUT_MS)
  t.equal(keepalive.askedAfterMs, INTERVAL_MS)
  Object.assign(options, { intervalMs: 2 * INTERVAL_MS })
  const changedMs = clock.now()
  clock.advance(3 * INTERVAL_MS)
  t.equal(session.pings.length, 2)
  t.ok(session.pings[1]! - changedMs >= 2 * INTERVAL_MS, 'looks of the shorter interval do not count')
})

t.test('stopped: it asks no more', async t => {
  const { clock, session, keepalive } = watched()
  keepalive.stop()
  t.equal(clock.pending, 0)
  clock.advance(INTERVAL_MS)
  t.same(session.pings, [])
})
