/** How old a client's session may become; test/contract/lifetimes.ts has the same with frames. */
import t from 'tap'
import { jittered, Lifetime, type LifetimeLimits } from '../../src/transport/lifetime.ts'
import type { ServerSession } from '../../src/transport/transport.ts'
import { FakeClock } from '../support/fake-clock.ts'

const MAX_AGE_MS = 100_000
const GRACE_MS = 5_000

function client(limits: LifetimeLimits, chance = 0.5) {
  const clock = new FakeClock()
  const events: string[] = []
  const session = {
    streams: 0,
    received: 0,
    ping: () => events.push('ping'),
    drain: (debug: string) => events.push(`drain ${debug}`),
    destroy: (reason: string) => events.push(`end: ${reason}`),
  }
  const life = Lifetime.of(session as unknown as ServerSession, limits, clock, () => chance)
  return { clock, events, session, life }
}

t.test('nothing is configured: no timer', async t => {
  for (const limits of [{}, { clientMaxAgeMs: 0, clientAgeGraceMs: GRACE_MS }]) {
    const { clock, life } = client(limits)
    t.equal(life, undefined)
    t.equal(clock.pending, 0)
  }
})

t.test('of its age: drained, and ended after the grace period', async t => {
  const { clock, events } = client({ clientMaxAgeMs: MAX_AGE_MS, clientAgeGraceMs: GRACE_MS })
  clock.advance(MAX_AGE_MS - 1)
  t.same(events, [])
  clock.advance(1)
  t.same(events, ['drain max_age'])
  clock.advance(GRACE_MS - 1)
  t.equal(events.length, 1)
  clock.advance(1)
  t.same(events.slice(1), ['end: too old, and its grace period is over'])
})

t.test('the age of each is another, within a tenth', async t => {
  t.equal(
    jittered(1_000, () => 0),
    900,
  )
  t.equal(
    jittered(1_000, () => 0.5),
    1_000,
  )
  t.ok(jittered(1_000, () => 1 - Number.EPSILON) <= 1_100)
  const early = client({ clientMaxAgeMs: MAX_AGE_MS }, 0)
  early.clock.advance(0.9 * MAX_AGE_MS)
  t.same(early.events.slice(0, 1), ['drain max_age'])
  const late = client({ clientMaxAgeMs: MAX_AGE_MS }, 0.999)
  late.clock.advance(1.09 * MAX_AGE_MS)
  t.same(late.events, [])
})

t.test('a silent client is asked, with calls or without (gRFC A9), and its session ended', async t => {
  const { clock, events } = client({ clientKeepalive: { intervalMs: 8_000, timeoutMs: 1_000 } })
  clock.advance(8_000)
  t.same(events, ['ping'])
  clock.advance(1_000)
  t.same(events.slice(1), ['end: no answer to a PING within 1000 ms'])
})

t.test('the session is gone: no timer is left', async t => {
  const limits = { clientMaxAgeMs: MAX_AGE_MS, clientKeepalive: { intervalMs: 8_000, timeoutMs: 1_000 } }
  const { clock, life } = client(limits)
  life!.end()
  t.equal(clock.pending, 0)
  const draining = client({ clientMaxAgeMs: MAX_AGE_MS, clientAgeGraceMs: GRACE_MS })
  draining.clock.advance(MAX_AGE_MS)
  draining.life!.end()
  t.equal(draining.clock.pending, 0)
})
