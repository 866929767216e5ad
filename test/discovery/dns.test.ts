/** Endpoints from DNS: with answers that a test gives, and through Node's own resolver from a server that it plays. */
import { Resolver } from 'node:dns/promises'
import t, { type Test } from 'tap'
import { endpointSpecs } from '../../src/backend/endpoint-source.ts'
import { DnsSource, type DnsSourceOptions } from '../../src/discovery/dns.ts'
import type { NameResolver, TimedAddress } from '../../src/discovery/host-addresses.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'
import { type DnsServer, dnsServer, RCODE } from './dns-server.ts'

const MIN_MS = 5_000
const MAX_MS = 300_000

const OPTIONS = {
  ...{ host: 'api.test', servers: [], maxEndpoints: 1_000 },
  ...{ minIntervalMs: MIN_MS, maxIntervalMs: MAX_MS, jitter: 0.1 },
}

type Said = readonly TimedAddress[] | string

/** Answers when the test says so; a text is the code of an error. */
class FakeResolver implements NameResolver {
  readonly a = Promise.withResolvers<readonly TimedAddress[]>()
  readonly aaaa = Promise.withResolvers<readonly TimedAddress[]>()
  cancelled = false
  host = ''

  resolve4(host: string) {
    this.host = host
    return this.a.promise
  }

  resolve6() {
    return this.aaaa.promise
  }

  cancel(): void {
    this.cancelled = true
    for (const { reject } of [this.a, this.aaaa]) reject(Object.assign(new Error('cancelled'), { code: 'ECANCELLED' }))
  }
}

class Scene {
  readonly clock = new FakeClock()
  readonly resolvers: FakeResolver[] = []
  readonly told: string[] = []
  readonly remarks: (string | undefined)[] = []
  readonly source: DnsSource
  random = 0

  constructor(t: Test, server?: DnsServer, more: Partial<DnsSourceOptions> = {}) {
    const fake = () => {
      const resolver = new FakeResolver()
      this.resolvers.push(resolver)
      return resolver
    }
    const real = () => {
      const resolver = new Resolver({ timeout: 50, tries: 2 })
      resolver.setServers([server!.address])
      return resolver
    }
    const makeResolver = server === undefined ? fake : real
    const endpointsAt = (ips: readonly string[]) =>
      endpointSpecs(ips.map(host => ({ name: host, tcp: { host, port: 1 } })))
    const options = { ...OPTIONS, endpointsAt, ...more }
    this.source = new DnsSource(options, { clock: this.clock, random: () => this.random, makeResolver })
    t.teardown(() => this.source.close())
    this.source.start({
      onEndpoints: (all, remark) => {
        this.told.push(all.map(({ address }) => address.name).join(' '))
        this.remarks.push(remark)
      },
      onError: reason => this.told.push(reason),
    })
  }

  /** The answers to the last two questions. */
  async answer(a: Said, aaaa: Said = 'ENODATA'): Promise<void> {
    const { a: one, aaaa: other } = this.resolvers.at(-1)!
    for (const [{ resolve, reject }, said] of [[one, a] as const, [other, aaaa] as const]) {
      if (typeof said === 'string') reject(Object.assign(new Error(said), { code: said }))
      else resolve(said)
    }
    await new Promise(resolve => setImmediate(resolve))
  }

  get last(): string | undefined {
    return this.told.at(-1)
  }

  async says(what: string | RegExp): Promise<void> {
    const holds = () => (typeof what === 'string' ? this.last === what : what.test(this.last ?? ''))
    await until(
      `${what}`,
      () => holds() && this.clock.pending > 0,
      () => JSON.stringify(this.told),
    )
  }
}

const records = (text: string, ttl = 60): TimedAddress[] => text.split(' ').map(address => ({ address, ttl }))

t.test('A and AAAA are one list, each address once, in an order that does not change', async t => {
  const scene = new Scene(t)
  t.equal(scene.resolvers[0]!.host, 'api.test')
  await scene.answer(records('10.0.0.2 10.0.0.1 10.0.0.2'), records('fd00::1'))
  t.equal(scene.last, '10.0.0.1 10.0.0.2 fd00::1')
  scene.clock.advance(60_000)
  await scene.answer(records('10.0.0.1 10.0.0.2'), records('fd00::1'))
  t.equal(scene.last, '10.0.0.1 10.0.0.2 fd00::1')
})

t.test('the first answer is told at once: the other kind may be slow', async t => {
  const scene = new Scene(t)
  scene.resolvers[0]!.a.resolve(records('10.0.0.1'))
  await new Promise(resolve => setImmediate(resolve))
  t.same(scene.told, ['10.0.0.1'])
  await scene.answer([], records('fd00::1'))
  t.equal(scene.last, '10.0.0.1 fd00::1')
})

t.test('asked again when the shortest TTL is over, within the bounds', async t => {
  for (const [ttls, waitMs] of [
    [[60, 30], 30_000],
    [[0, 60], MIN_MS],
    [[86_400, 2 ** 31 - 1], MAX_MS],
  ] as const) {
    const scene = new Scene(t)
    await scene.answer(records('10.0.0.1', ttls[0]), records('fd00::1', ttls[1]))
    t.same(scene.clock.delays, [waitMs])
    scene.clock.advance(waitMs)
    t.equal(scene.resolvers.length, 2)
    scene.source.close()
  }
})

t.test('an endpoint that fails: asked at once, but not more often than the shortest interval', async t => {
  const scene = new Scene(t)
  scene.source.refresh()
  await scene.answer(records('10.0.0.1', 3_600))
  t.same(scene.clock.delays, [MAX_MS])
  scene.clock.advance(1_000)
  for (let i = 0; i < 1_000; i++) scene.source.refresh()
  t.same(scene.clock.delays, [MIN_MS - 1_000])
  scene.clock.advance(MIN_MS - 1_000)
  await scene.answer(records('10.0.0.2', 3_600))
  t.same([scene.last, scene.resolvers.length], ['10.0.0.2', 2])
  scene.clock.advance(60_000)
  scene.source.refresh()
  t.same(scene.clock.delays, [0], 'nobody has asked for long')
})

t.test('what cannot be had leaves the last list, is said, and is asked for again, less and less often', async t => {
  const scene = new Scene(t)
  await scene.answer(records('10.0.0.1', 1))
  const reasons: [a: Said, aaaa: Said, reason: RegExp][] = [
    ['ENOTFOUND', 'ENOTFOUND', /^api\.test: there is no such name in DNS \(NXDOMAIN\)/],
    [[], [], /^api\.test: has no A and no AAAA records$/],
    ['ESERVFAIL', 'ENODATA', /SERVFAIL/],
    ['ENODATA', 'ETIMEOUT', /no DNS server answered in time/],
    ['ECONNREFUSED', 'ECONNREFUSED', /no DNS server can be reached/],
    ['EOTHER', 'ENOTFOUND', /^api\.test: DNS: EOTHER$/],
    ['ENOTFOUND', 'ENODATA', /no AAAA records/],
  ]
  let waitMs = MIN_MS
  for (const [a, aaaa, reason] of reasons) {
    scene.clock.advance(scene.clock.delays[0]!)
    await scene.answer(a, aaaa)
    t.match(scene.last, reason)
    t.same(scene.clock.delays, [Math.min(waitMs, MAX_MS)])
    waitMs *= 2
  }
  t.equal(scene.told.filter(said => said === '10.0.0.1').length, 2, 'told by the first look, and never as another')
  scene.clock.advance(MAX_MS)
  await scene.answer(records('10.0.0.2', 1))
  t.same([scene.last, scene.clock.delays], ['10.0.0.2', [MIN_MS]])
})

t.test('a server that fails for one kind of record: those of that kind stay', async t => {
  const scene = new Scene(t)
  await scene.answer(records('10.0.0.1', 1), records('fd00::1', 1))
  scene.clock.advance(MIN_MS)
  await scene.answer(records('10.0.0.2', 1), 'ESERVFAIL')
  t.equal(scene.last, '10.0.0.2 fd00::1')
  scene.clock.advance(MIN_MS)
  await scene.answer(records('10.0.0.2', 1), 'ENOTFOUND')
  t.equal(scene.last, '10.0.0.2', 'and leave when they are denied')
})

t.test('a resolver that cannot be made is a reason like others', async t => {
  const clock = new FakeClock()
  const options = { ...OPTIONS, endpointsAt: () => [] }
  const makeResolver = () => {
    throw Object.assign(new Error('no descriptors'), { code: 'EFILE' })
  }
  const source = new DnsSource(options, { clock, random: () => 0, makeResolver })
  t.teardown(() => source.close())
  const reason = await new Promise(resolve => source.start({ onEndpoints: () => t.fail(), onError: resolve }))
  t.equal(reason, 'api.test: DNS: EFILE')
  await new Promise(resolve => setImmediate(resolve))
  t.same(clock.delays, [MIN_MS])
})

t.test('a mistake in endpointsAt is told, and asked again: the process lives', async t => {
  let wrong = true
  const endpointsAt = (ips: readonly string[]) => {
    if (wrong) throw new Error('a mistake')
    return endpointSpecs(ips.map(host => ({ name: host, tcp: { host, port: 1 } })))
  }
  const scene = new Scene(t, undefined, { endpointsAt })
  await scene.answer(records('10.0.0.1'))
  t.same(scene.told, ['api.test: a mistake'])
  t.same(scene.clock.delays, [MIN_MS])
  wrong = false
  scene.clock.advance(MIN_MS)
  await scene.answer(records('10.0.0.1'))
  t.equal(scene.last, '10.0.0.1')
})

t.test('500 addresses', async t => {
  const scene = new Scene(t)
  const many = Array.from({ length: 500 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
  await scene.answer(records(many.join(' ')))
  t.equal(scene.last!.split(' ').length, 500)
})

t.test('after close nothing is asked or said', async t => {
  const scene = new Scene(t)
  scene.source.close()
  await new Promise(resolve => setImmediate(resolve))
  scene.source.refresh()
  scene.clock.advance(MAX_MS)
  t.ok(scene.resolvers[0]!.cancelled)
  t.same([scene.told, scene.clock.pending, scene.resolvers.length], [[], 0, 1])
})

t.test("through Node's resolver: records change, fail and come back", async t => {
  const server = await dnsServer(t, { addresses: ['192.0.2.1', '192.0.2.2', '2001:db8::1'] })
  const scene = new Scene(t, server)
  await scene.says('192.0.2.1 192.0.2.2 2001:db8::1')
  t.same(scene.clock.delays, [60_000])
  t.same(server.questions.toSorted(), ['A api.test', 'AAAA api.test'], 'as it is written')
  server.zone.addresses = ['192.0.2.3']
  server.zone.ttl = 0
  scene.clock.advance(60_000)
  await scene.says('192.0.2.3')
  t.same(scene.clock.delays, [MIN_MS])
  const faults: [change: Partial<DnsServer['zone']>, reason: RegExp][] = [
    [{ rcode: RCODE.NXDOMAIN, addresses: [] }, /NXDOMAIN/],
    [{ rcode: RCODE.NOERROR }, /has no A and no AAAA records/],
    [{ rcode: RCODE.SERVFAIL }, /SERVFAIL/],
    [{ rcode: RCODE.REFUSED }, /REFUSED/],
    [{ odd: 'silent' }, /no DNS server answered in time/],
    [{ odd: 'garbage' }, /no DNS server answered in time|what is no DNS/],
  ]
  for (const [change, reason] of faults) {
    Object.assign(server.zone, change)
    scene.clock.advance(scene.clock.delays[0]!)
    await scene.says(reason)
  }
  Object.assign(server.zone, { rcode: RCODE.NOERROR, odd: undefined, addresses: ['192.0.2.4'] })
  scene.clock.advance(MAX_MS)
  await scene.says('192.0.2.4')
})

t.test('many proxies do not ask in step: a random part is added to each interval', async t => {
  const scene = new Scene(t)
  scene.random = 0.5
  await scene.answer(records('10.0.0.1', 60))
  t.same(scene.clock.delays, [63_000])
  scene.random = 1
  scene.clock.advance(63_000)
  await scene.answer('ESERVFAIL', 'ESERVFAIL')
  t.same(scene.clock.delays.map(Math.round), [MIN_MS * 1.1], 'also after a failure')
})

t.test('more addresses than the bound: as many are used, those from before first, and it is said', async t => {
  const scene = new Scene(t, undefined, { maxEndpoints: 3 })
  await scene.answer(records('10.0.0.2 10.0.0.4 10.0.0.6', 1))
  t.same(scene.remarks.at(-1), undefined)
  scene.clock.advance(MIN_MS)
  await scene.answer(records('10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.5 10.0.0.6', 1))
  const used = scene.last!.split(' ')
  t.equal(used.length, 3)
  t.ok(used.includes('10.0.0.2') && used.includes('10.0.0.6'), `${scene.last}`)
  t.equal(scene.remarks.at(-1), 'api.test: there are 5 addresses, and 3 of them are used: see maxEndpoints')
  const before = scene.last
  scene.random = 0.99
  scene.clock.advance(MIN_MS)
  await scene.answer(records('10.0.0.6 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.5', 1))
  t.equal(scene.last, before, 'the same answer is no change')
})

t.test('other proxies use others of too many addresses', async t => {
  const chosen = new Set<string>()
  for (const random of [0, 0.5, 0.99]) {
    const scene = new Scene(t, undefined, { maxEndpoints: 1 })
    scene.random = random
    scene.resolvers[0]!.aaaa.reject(Object.assign(new Error(), { code: 'ENODATA' }))
    await scene.answer(records('10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4'))
    chosen.add(scene.last!)
  }
  t.ok(chosen.size > 1, [...chosen].join())
})

t.test('a TTL that is not told (Node before 24, of more than 256 addresses) is none, and no hot loop', async t => {
  const scene = new Scene(t)
  await scene.answer([
    { address: '10.0.0.1', ttl: 60 },
    { address: '10.0.0.2', ttl: undefined },
  ])
  t.same(scene.clock.delays, [60_000])
  scene.clock.advance(60_000)
  await scene.answer([{ address: '10.0.0.1', ttl: undefined }])
  t.same(scene.clock.delays, [MAX_MS])
})

t.test('a TTL of 2^31 and more counts as 0 (RFC 2181 §8)', async t => {
  for (const ttl of [2 ** 31, 2 ** 32 - 1, -1]) {
    const scene = new Scene(t)
    await scene.answer(records('10.0.0.1', ttl))
    t.same(scene.clock.delays, [MIN_MS])
  }
})

t.test('addresses that no server can have are left out, and it is said', async t => {
  const scene = new Scene(t)
  await scene.answer(records('10.0.0.1 0.0.0.0 224.0.0.1 255.255.255.255', 1), records(':: ff02::1 fd00::1', 1))
  t.equal(scene.last, '10.0.0.1 fd00::1')
  t.equal(scene.remarks.at(-1), 'api.test: 0.0.0.0 is left out: no server can have this address')
  scene.clock.advance(MIN_MS)
  await scene.answer(records('0.0.0.0'))
  t.equal(scene.last, 'api.test: has only addresses on which nobody can listen')
})
