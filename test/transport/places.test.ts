/** Who has a place and who makes room, by address and by time; test/contract/places.ts has the same with real peers. */
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { isLoopback, prefixOf } from '../../src/transport/address-prefix.ts'
import { Place, type PlaceLimits, Places } from '../../src/transport/places.ts'
import type { ServerSession } from '../../src/transport/transport.ts'
import { FakeClock } from '../support/fake-clock.ts'

const LIMITS: PlaceLimits = {
  maxClientSessions: 20,
  clientAddressBits: { ipv4: 32, ipv6: 64 },
  clientIdleTimeoutMs: 8_000,
}

class Client extends EventEmitter {
  readonly remoteAddress: string | undefined
  readonly place: ReturnType<Places['take']>
  /** What became of it. */
  fate: 'stays' | 'drained' | 'ended' | 'cut off' = 'stays'
  streams = 0
  opened = 0

  constructor(places: Places, remoteAddress: string | undefined, hasSession = true) {
    super()
    this.remoteAddress = remoteAddress
    this.place = places.take(this as unknown as Socket)
    if (hasSession && this.place instanceof Place) this.place.session = this as unknown as ServerSession
  }

  get refusal(): string | undefined {
    return 'refusal' in this.place ? this.place.refusal : undefined
  }

  begin(): void {
    this.opened++
    this.streams++
  }

  call(): void {
    this.begin()
    this.streams--
  }

  drain(): void {
    this.fate = 'drained'
  }

  /** Of the session with a reason, of the socket without one. */
  destroy(reason?: string): void {
    this.fate = reason === undefined ? 'cut off' : 'ended'
  }
}

function listener(limits: Partial<PlaceLimits> = {}) {
  const clock = new FakeClock()
  const places = new Places({ ...LIMITS, ...limits }, clock)
  const connect = (address?: string, hasSession?: boolean) => new Client(places, address, hasSession)
  const many = (count: number, address: string, busy = false) =>
    Array.from({ length: count }, () => {
      const client = connect(address)
      if (busy) client.begin()
      return client
    })
  return { clock, places, connect, many }
}

const fates = (clients: readonly Client[]) => clients.map(client => client.fate)

t.test('by which part of its address a client is known', async t => {
  const bits = { ipv4: 32, ipv6: 64 }
  t.equal(prefixOf('203.0.113.7', bits), '203.0.113.7')
  t.equal(prefixOf('::ffff:203.0.113.7', bits), '203.0.113.7', 'IPv4 on a socket of both kinds')
  t.equal(prefixOf('203.0.113.7', { ipv4: 20, ipv6: 64 }), '203.0.112.0/20')
  t.equal(prefixOf('203.0.113.7', { ipv4: 1, ipv6: 64 }), '128.0.0.0/1')
  t.equal(prefixOf('2001:db8:0:1:aaaa::1', bits), '2001:db8:0:1::/64')
  t.equal(prefixOf('2001:db8::1', bits), prefixOf('2001:db8:0:0:ffff:1:2:3', bits))
  t.not(prefixOf('2001:db8:0:1::1', bits), prefixOf('2001:db8:0:2::1', bits))
  t.equal(prefixOf('2001:db8:ffff::1', { ipv4: 32, ipv6: 36 }), '2001:db8:f000::/36')
  t.equal(prefixOf('2001:db8::1', { ipv4: 32, ipv6: 128 }), '2001:db8::1')
  t.equal(prefixOf('fe80::1%eth0', bits), 'fe80:0:0:0::/64')
  t.equal(prefixOf('::1', bits), '0:0:0:0::/64')
  t.equal(prefixOf('1:2:3:4:5:6:7:8', { ipv4: 32, ipv6: 120 }), '1:2:3:4:5:6:7:0/120')
  t.same(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].map(isLoopback), [true, true, true, true])
  t.same(['128.0.0.1', '::', '10.127.0.1'].map(isLoopback), [false, false, false])
})

t.test('the longest idle one makes room, whatever the order in which they came', async t => {
  const { clock, connect, many } = listener({ maxClientSessions: 3 })
  const [a, b, c] = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map(address => many(1, address)[0]!)
  clock.advance(1)
  a!.call()
  c!.begin()
  t.equal(connect('10.0.0.4').refusal, undefined)
  t.same(fates([a!, b!, c!]), ['stays', 'ended', 'stays'])
  clock.advance(1)
  t.equal(connect('10.0.0.5').refusal, undefined)
  t.same(fates([a!, c!]), ['ended', 'stays'], 'its call was before the other came')
  t.equal(c!.fate, 'stays', 'a busy one does not go, whatever comes')
})

t.test('all are busy: refused, until one has gone or is idle; not each newcomer costs a look at all', async t => {
  const { clock, connect, many, places } = listener()
  const busy = [...many(10, '10.0.0.1', true), ...many(10, '10.0.0.2', true)]
  let looks = 0
  for (const client of busy) {
    Object.defineProperty(client, 'streams', { get: () => ++looks })
  }
  t.equal(connect('10.0.0.3').refusal, 'too-many')
  const first = looks
  for (let i = 0; i < 1_000; i++) connect('10.0.0.3')
  t.equal(looks, first)
  clock.advance(1)
  Object.defineProperty(busy[7], 'streams', { value: 0 })
  t.equal(connect('10.0.0.3').refusal, undefined)
  t.equal(busy[7]!.fate, 'ended')
  places.free(busy[3]!.place as Place)
  t.equal(connect('10.0.0.4').refusal, undefined)
})

t.test('who has not said a preface is idle since it came', async t => {
  const { clock, connect, many } = listener({ maxClientSessions: 2 })
  const silent = connect('10.0.0.1', false)
  clock.advance(1)
  const [client] = many(1, '10.0.0.2')
  connect('10.0.0.3')
  t.same(fates([silent, client!]), ['cut off', 'stays'])
})

t.test('those told to go have a moment to read it; of very many the first are cut off', async t => {
  const { connect, many } = listener({ maxClientSessions: 1 })
  const clients = many(70, '10.0.0.1')
  t.equal(connect('10.0.0.2').refusal, undefined)
  t.equal(clients.filter(client => client.fate === 'ended').length, 64)
  t.same(new Set(fates(clients.slice(0, 6))), new Set(['cut off']))
})

t.test('one address that holds more than half of all places cannot take the last tenth', async t => {
  const { connect, many } = listener()
  const loud = many(18, '10.0.0.1', true)
  t.equal(connect('10.0.0.1').refusal, 'too-many-of-address')
  t.equal(connect('::ffff:10.0.0.1').refusal, 'too-many-of-address')
  t.equal(connect('10.0.0.2').refusal, undefined)
  t.equal(connect('2001:db8::1').refusal, undefined)
  t.equal(connect('10.0.0.4').refusal, undefined, 'all are taken: one of the quiet ones is idle')
  t.same(new Set(fates(loud)), new Set(['stays']))
})

t.test('it makes room before others do, also for others', async t => {
  const { clock, connect, many } = listener()
  const quiet = many(2, '10.0.0.2')
  clock.advance(1_000)
  const loud = many(18, '10.0.0.1')
  for (let i = 0; i < 100; i++) t.equal(connect('10.0.0.1').refusal, undefined)
  t.same(new Set(fates(loud)), new Set(['cut off']))
  t.equal(connect('10.0.0.3').refusal, undefined)
  t.same(fates(quiet), ['stays', 'stays'], 'though idle for longest')
})

t.test('where all come from one address that no rule holds for, all places are theirs', async t => {
  for (const address of ['127.0.0.1', '::1', undefined]) {
    const { connect } = listener()
    for (let i = 0; i < 20; i++) {
      const client = connect(address)
      t.equal(client.refusal, undefined)
      client.begin()
    }
    t.equal(connect(address).refusal, 'too-many')
  }
})

t.test('a number for each address holds always, by prefix, loopback too', async t => {
  const { connect, many } = listener({ maxClientSessionsPerAddress: 2, clientAddressBits: { ipv4: 24, ipv6: 48 } })
  many(2, '10.0.0.1', true)
  t.equal(connect('10.0.0.99').refusal, 'too-many-of-address')
  t.equal(connect('10.0.1.1').refusal, undefined)
  const [first, second] = many(2, '2001:db8:1:1::1')
  second!.begin()
  t.equal(connect('2001:db8:1:2::1').refusal, undefined)
  t.equal(first!.fate, 'ended')
  many(2, '127.0.0.1', true)
  t.equal(connect('127.0.0.1').refusal, 'too-many-of-address')
  t.equal(connect(undefined).refusal, undefined)
})

t.test('a number as large as that of all: no tenth is kept', async t => {
  const { connect, many } = listener({ maxClientSessionsPerAddress: 20 })
  t.equal(many(20, '10.0.0.1', true).filter(client => client.refusal !== undefined).length, 0)
  t.equal(connect('10.0.0.1').refusal, 'too-many-of-address')
})

t.test('the idle timeout: never early, an eighth late at most, not while there is a call, once', async t => {
  const { clock, connect, places } = listener()
  const idle = connect('10.0.0.1')
  const busy = connect('10.0.0.2')
  const caller = connect('10.0.0.3')
  const silent = connect('10.0.0.4', false)
  busy.begin()
  clock.advance(7_500)
  caller.call()
  t.same(fates([idle, busy, caller]), ['stays', 'stays', 'stays'])
  clock.advance(500)
  t.same(fates([idle, busy, caller]), ['drained', 'stays', 'stays'])
  idle.fate = 'stays'
  busy.streams--
  clock.advance(7_499)
  t.same(fates([idle, busy, caller]), ['stays', 'stays', 'stays'], 'once, or the GOAWAY would have no end')
  clock.advance(1_501)
  t.same(fates([busy, caller]), ['drained', 'drained'])
  t.equal(silent.fate, 'stays', 'prefaceTimeoutMs is for those')
  for (const { place } of [idle, busy, caller, silent]) places.free(place as Place)
  t.equal(clock.pending, 0, 'no timer without connections')
})

t.test('no idle timeout', async t => {
  const { clock, connect } = listener({ clientIdleTimeoutMs: 0 })
  const idle = connect('10.0.0.1')
  t.equal(clock.pending, 0)
  clock.advance(1e9)
  t.equal(idle.fate, 'stays')
})
