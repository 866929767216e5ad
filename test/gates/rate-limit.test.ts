/** Rates: how many pass, whose rate it is, and that memory has a bound. */
import t from 'tap'
import { seededRandom } from '../../src/bench/random.ts'
import { Kept } from '../../src/gates/kept.ts'
import { type RateLimitOptions, rateLimit } from '../../src/gates/rate-limit.ts'
import type { CallInfo } from '../../src/routing/director.ts'
import { Refusal } from '../../src/routing/gate.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { call, TARGET } from './rig.ts'

function limited(options: RateLimitOptions) {
  const clock = new FakeClock()
  const director = rateLimit(options, clock)(() => TARGET)
  const passes = (info: CallInfo = call()): boolean | number => {
    try {
      return director(info) === TARGET
    } catch (error) {
      if (!(error instanceof Refusal) || error.token !== 'rate-limited') throw error
      return error.retryAfterMs!
    }
  }
  return { clock, passes }
}

t.test('a burst, then the rate; who comes too early is told when', async t => {
  const { clock, passes } = limited({ perSecond: 10, burst: 3 })
  t.same([passes(), passes(), passes()], [true, true, true])
  t.equal(passes(), 50)
  clock.advance(30)
  t.equal(passes(), 20, 'a call that was refused costs nothing')
  clock.advance(20)
  t.equal(passes(), true)
  t.equal(passes(), 100)
  clock.advance(10_000)
  t.same([passes(), passes(), passes(), passes()], [true, true, true, 50], 'no more than a burst is saved')
})

t.test('at ten times the rate for a minute it passes the rate, within 2 %', async t => {
  for (const perSecond of [1, 7, 100, 3_000]) {
    const { clock, passes } = limited({ perSecond })
    const random = seededRandom(perSecond)
    let passed = -perSecond
    for (const endMs = clock.now() + 60_000; clock.now() < endMs; clock.advance((200 * random()) / perSecond)) {
      if (passes() === true) passed++
    }
    const share = passed / (60 * perSecond)
    t.ok(Math.abs(share - 1) <= 0.02, `${perSecond} a second, besides the burst: ${share}`)
  }
})

t.test('a rate below one a second', async t => {
  const { clock, passes } = limited({ perSecond: 0.1 })
  t.equal(passes(), true)
  t.equal(passes(), 5_000)
  clock.advance(5_000)
  t.equal(passes(), true)
  t.equal(passes(), 10_000)
})

const from = (address: string) => call({ peer: { address, encrypted: false } })

t.test('each client has its rate: an IPv4 address, a network of IPv6', async t => {
  const { passes } = limited({ perSecond: 1, key: 'client' })
  t.equal(passes(from('192.0.2.1:1000')), true)
  t.equal(passes(from('192.0.2.1:2000')), 500, 'another connection is not another client')
  t.equal(passes(from('[::ffff:192.0.2.1]:1')), 500, 'nor is another form of the address')
  t.equal(passes(from('192.0.2.2:1000')), true)
  t.equal(passes(from('[2001:db8:0:1::1]:1000')), true)
  t.equal(passes(from('[2001:db8:0:1:ffff::9]:1000')), 500)
  t.equal(passes(from('[2001:db8:0:2::1]:1000')), true)
})

t.test('each method, authority, value of metadata, and several together', async t => {
  const keys = [
    ['method', { path: '/a.B/C' }, { path: '/a.B/D' }],
    ['service', { path: '/a.B/C' }, { path: '/a.C/C' }],
    ['authority', { authority: 'a' }, { authority: 'b' }],
    ['metadata:x-tenant', { metadata: [['x-tenant', 'a']] }, { metadata: [['x-tenant', 'b']] }],
    [['method', 'authority'], { path: '/a.B/C', authority: 'a' }, { path: '/a.B/C', authority: 'b' }],
  ] as const
  for (const [key, one, other] of keys) {
    const { passes } = limited({ perSecond: 1, key })
    t.same([passes(call(one)), passes(call(one)), passes(call(other))], [true, 500, true], String(key))
  }
  const { passes } = limited({ perSecond: 1, key: ['metadata:x-a', 'metadata:x-b'] })
  const pair = (a: string, b: string) =>
    call({
      metadata: [
        ['x-a', a],
        ['x-b', b],
      ],
    })
  t.same([passes(pair('ab', 'c')), passes(pair('a', 'bc'))], [true, true], 'borders between values count')
})

t.test('a key of code, and who is known by a gate before', async t => {
  const own = limited({ perSecond: 1, key: ({ path }) => path.slice(0, 2) })
  t.same([own.passes(call({ path: '/a.B/C' })), own.passes(call({ path: '/a.D/E' }))], [true, 500])
  const { passes } = limited({ perSecond: 1, key: 'identity' })
  const known = (name: string) => ({ ...call(), notes: { identity: { name, by: 'test' } } })
  t.same([passes(known('a')), passes(known('a')), passes(known('b'))], [true, 500, true])
})

t.test('ten million keys do not grow the memory, and keys in use stay known', async t => {
  const kept = new Kept<number>(1_000)
  kept.set('in use', 0)
  for (let i = 0; i < 100_000; i++) {
    kept.set(`key ${i}`, i)
    if (i % 100 === 0 && kept.get('in use') !== 0) return t.fail(`forgotten after ${i}`)
    if (kept.size > 1_001) return t.fail(`${kept.size} are known`)
  }
  t.pass()
})

t.test('long keys are kept short', async t => {
  const { passes } = limited({ perSecond: 1, key: 'metadata:x-a' })
  const long = (end: string) => call({ metadata: [['x-a', 'a'.repeat(60_000) + end]] })
  t.same([passes(long('1')), passes(long('1')), passes(long('2'))], [true, 500, true])
})

t.test('a rate that is none', async t => {
  for (const wrong of [{ perSecond: 0 }, { perSecond: -1 }, { perSecond: Number.NaN }, { perSecond: 1, burst: 0 }])
    t.throws(() => rateLimit(wrong), RangeError)
})
