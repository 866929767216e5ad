/** Endpoints from SRV records, from a server that the test plays: over real sockets, with a clock that it turns. */
import t, { type Test } from 'tap'
import { endpointSpecs } from '../../src/backend/endpoint-source.ts'
import { SrvSource, type SrvSourceOptions } from '../../src/discovery/srv.ts'
import type { SrvEndpoint } from '../../src/discovery/srv-weights.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { until } from '../support/until.ts'
import { type DnsServer, dnsServer, RCODE, type Zone } from './dns-server.ts'

const NAME = '_grpc._tcp.api.test'
const MIN_MS = 5_000
const MAX_MS = 300_000

class Scene {
  readonly clock = new FakeClock()
  readonly server: DnsServer
  readonly source: SrvSource
  /** `ip:port priority/weight`, or a reason. */
  readonly told: string[] = []
  readonly remarks: (string | undefined)[] = []
  random = 0

  constructor(t: Test, server: DnsServer, more: Partial<SrvSourceOptions> = {}) {
    this.server = server
    const endpointsAt = (all: readonly SrvEndpoint[]) =>
      endpointSpecs(all.map(({ ip, port, ...said }) => ({ name: `${ip}:${port}`, tcp: { host: ip, port }, ...said })))
    const options = {
      ...{ name: NAME, servers: [server.address], maxEndpoints: 1_000, endpointsAt },
      ...{ minIntervalMs: MIN_MS, maxIntervalMs: MAX_MS, jitter: 0.1, ...more },
    }
    this.source = new SrvSource(options, { clock: this.clock, random: () => this.random })
    t.teardown(() => this.source.close())
    this.source.start({
      onEndpoints: (all, remark) => {
        this.told.push(all.map(({ address, priority, weight }) => `${address.name} ${priority}/${weight}`).join(', '))
        this.remarks.push(remark)
      },
      onError: reason => this.told.push(reason),
    })
  }

  get last(): string {
    return this.told.at(-1) ?? ''
  }

  /** It has looked, and said this; nothing is left but the wait for the next look. */
  async says(what: string | RegExp, describe = ''): Promise<void> {
    const holds = () => (typeof what === 'string' ? this.last === what : what.test(this.last))
    const rests = () => this.clock.pending === 1 && this.clock.delays[0]! >= MIN_MS
    await until(
      `${describe}${what}`,
      () => rests() && holds(),
      () => JSON.stringify([this.told, this.clock.delays, this.server.questions]),
    )
  }

  /** The next look comes, as the source has planned it. */
  next(): void {
    this.clock.advance(this.clock.delays[0]!)
  }
}

async function scene(t: Test, zone: Partial<Zone>, more: Partial<SrvSourceOptions> = {}): Promise<Scene> {
  return new Scene(t, await dnsServer(t, zone), more)
}

const TWO: Partial<Zone> = {
  srv: [
    { target: 'a.test', port: 1, priority: 10, weight: 3 },
    { target: 'B.test', port: 2, priority: 20, weight: 1 },
  ],
  hosts: { 'a.test': ['10.0.0.1'], 'b.test': ['10.0.0.2', 'fd00::2'] },
}
const TOLD = '10.0.0.1:1 10/3, 10.0.0.2:2 20/0.5, fd00::2:2 20/0.5'

t.test('priorities, weights and ports of the records; addresses that came with them are not asked for', async t => {
  const s = await scene(t, TWO)
  await s.says(TOLD)
  t.same(s.server.questions, [`SRV ${NAME}`], 'as it is written, and nothing else')
  t.same(s.clock.delays, [60_000], 'the shortest TTL')
  t.same(s.remarks, [undefined])
})

t.test('addresses that did not come are asked for, of each target once', async t => {
  const s = await scene(t, { ...TWO, glue: false })
  await s.says(TOLD)
  t.same(s.server.questions.toSorted(), ['A a.test', 'A b.test', 'AAAA a.test', 'AAAA b.test', `SRV ${NAME}`])
})

t.test('weight 0: alike where there is no other, else a very small part (RFC 2782)', async t => {
  const target = (name: string, weight: number, priority = 0) => ({ target: `${name}.test`, port: 1, weight, priority })
  const hosts = Object.fromEntries(['a', 'b', 'c', 'd'].map((name, i) => [`${name}.test`, [`10.0.0.${i + 1}`]]))
  const s = await scene(t, { srv: [target('a', 0), target('b', 0)], hosts })
  await s.says('10.0.0.1:1 0/1, 10.0.0.2:1 0/1')
  s.server.zone.srv = [target('a', 0), target('b', 0), target('c', 65_535), target('d', 0, 1)]
  s.next()
  await s.says('10.0.0.1:1 0/0.5, 10.0.0.2:1 0/0.5, 10.0.0.3:1 0/65535, 10.0.0.4:1 1/1')
})

t.test('the same address and port twice is one endpoint: the better priority, and its weights together', async t => {
  const hosts = { 'a.test': ['10.0.0.1'], 'b.test': ['10.0.0.1'] }
  const srv = [
    { target: 'a.test', port: 1, priority: 1, weight: 2 },
    { target: 'b.test', port: 1, priority: 1, weight: 3 },
    { target: 'a.test', port: 1, priority: 2, weight: 100 },
  ]
  await (await scene(t, { srv, hosts })).says('10.0.0.1:1 1/5')
})

t.test('records change; the TTL is that of all that was heard, within bounds, with jitter', async t => {
  const s = await scene(t, { ...TWO, ttl: 0 })
  s.random = 1
  await s.says(TOLD)
  t.same(s.clock.delays.map(Math.round), [MIN_MS * 1.1])
  Object.assign(s.server.zone, { ttl: 2 ** 31 - 1, srv: [{ target: 'a.test', port: 9 }] })
  s.next()
  await s.says('10.0.0.1:9 0/1')
  t.same(s.clock.delays.map(Math.round), [MAX_MS * 1.1])
})

t.test('an endpoint that fails: asked at once, but not more often than the shortest interval', async t => {
  const s = await scene(t, { ...TWO, ttl: 3_600 })
  await s.says(TOLD)
  s.clock.advance(1_000)
  for (let i = 0; i < 1_000; i++) s.source.refresh()
  t.same(s.clock.delays, [MIN_MS - 1_000])
  s.next()
  await until('asked again', () => s.server.questions.length === 2)
})

t.test('what cannot be had leaves the last list, is said, and is asked for again, less and less often', async t => {
  const s = await scene(t, { ...TWO, ttl: 1 })
  await s.says(TOLD)
  const faults: [change: Partial<Zone>, reason: RegExp][] = [
    [{ rcode: RCODE.SERVFAIL }, /^_grpc\._tcp\.api\.test: the DNS server failed \(SERVFAIL\)$/],
    [{ rcode: RCODE.REFUSED }, /REFUSED/],
    [{ rcode: RCODE.NXDOMAIN }, /NXDOMAIN/],
    [{ rcode: RCODE.NOERROR, srv: [] }, /has no SRV records$/],
    [{ srv: [{ target: '.', port: 0 }] }, /is said not to be there \(the target is "\."\)$/],
    [{ srv: [{ target: 'a b\u001b[31m.test', port: 1 }] }, /its target is "a b\\u001b\[31m\.test", its port 1$/],
    [{ srv: [{ target: 'a.test', port: 0 }] }, /its target is "a\.test", its port 0$/],
    [{ srv: [{ target: 'nobody.test', port: 1 }], glue: false }, /nobody\.test: has no A and no AAAA records$/],
  ]
  let waitMs = MIN_MS
  for (const [change, reason] of faults) {
    Object.assign(s.server.zone, change)
    s.next()
    await s.says(reason)
    t.same(s.clock.delays, [Math.min(waitMs, MAX_MS)])
    waitMs *= 2
  }
  t.equal(s.told.filter(said => said === TOLD).length, 1)
  Object.assign(s.server.zone, TWO)
  s.next()
  await s.says(TOLD)
})

t.test('a server that is silent, answers nonsense, or whose answers are cut', async t => {
  const s = await scene(t, { ...TWO, ttl: 1 })
  await s.says(TOLD)
  for (const [odd, reason] of [
    ['silent', /no DNS server answered in time$/],
    ['garbage', /the DNS server answered what is no DNS$/],
    ['hangs up', /the DNS server answered what is no DNS$/],
  ] as const) {
    s.server.zone.odd = odd
    const asked = () => s.server.questions.filter(question => !question.startsWith('tcp')).length
    const [before, said] = [asked(), s.told.length]
    s.next()
    for (let tries = 1; tries <= 3; tries++) {
      await until('it is asked', () => asked() === before + tries)
      // What the server has sent lies in the socket by now: a few turns later it has been read.
      for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
      if (odd !== 'hangs up') s.clock.advance(1_000 * 2 ** (tries - 1))
    }
    await until(odd, () => s.told.length > said)
    t.match(s.last, reason)
    t.equal(asked(), before + 3)
  }
})

t.test('who answers without having seen the question is passed over', async t => {
  const s = await scene(t, { ...TWO, odd: 'forged' })
  await s.says(TOLD)
})

t.test('a server that does not know EDNS is asked without', async t => {
  const s = await scene(t, { ...TWO, odd: 'old' })
  await s.says(TOLD)
  t.equal(s.server.questions.length, 2)
})

t.test('an alias of the name is followed', async t => {
  const s = await scene(t, { ...TWO, alias: '_grpc._tcp.other.test' })
  await s.says(TOLD)
})

t.test('300 records with their addresses do not fit into a packet: TCP; and the bound on endpoints', async t => {
  const names = Array.from({ length: 300 }, (_, i) => `h${i}.test`)
  const srv = names.map((target, i) => ({ target, port: 1, priority: i < 100 ? 0 : 1 }))
  const hosts = Object.fromEntries(names.map((name, i) => [name, [`10.0.${i >> 8}.${i & 255}`]]))
  const s = await scene(t, { srv, hosts, ttl: 1 }, { maxEndpoints: 150 })
  await s.says(/^10\.0\.0\.0:1 0\/1/)
  t.ok(s.server.questions.includes(`tcp SRV ${NAME}`))
  const used = s.last.split(', ')
  t.equal(used.length, 150)
  t.equal(used.filter(text => text.endsWith(' 0/1')).length, 100, 'those with the better priority first')
  t.equal(s.remarks.at(-1), `${NAME}: there are 300 SRV records, and 150 of them are used: see maxEndpoints`)
  s.random = 0.7
  s.next()
  await until('another look', () => s.told.length === 2)
  t.equal(s.last, used.join(', '), 'the same answer is no change')
})

t.test('targets with more addresses than hosts have: a bound for each', async t => {
  const many = Array.from({ length: 200 }, (_, i) => `10.0.1.${i}`)
  const s = await scene(t, { srv: [{ target: 'a.test', port: 1 }], hosts: { 'a.test': many } })
  await s.says(/^10\.0\.1/)
  t.equal(s.last.split(', ').length, 64)
  t.equal(s.remarks.at(-1), `${NAME}: a.test has 200 addresses, and 64 of them are used`)
})

t.test(
  'one target cannot be resolved: the others are told, its addresses from before stay, and it is asked again soon',
  async t => {
    const s = await scene(t, { ...TWO, glue: false, ttl: 3_600 })
    await s.says(TOLD)
    Object.assign(s.server.zone, { rcode: RCODE.SERVFAIL, failing: ['b.test'], hosts: { 'a.test': ['10.0.0.9'] } })
    s.next()
    await s.says('10.0.0.2:2 20/0.5, 10.0.0.9:1 10/3, fd00::2:2 20/0.5')
    t.equal(s.remarks.at(-1), `${NAME}: b.test: the DNS server failed (SERVFAIL)`)
    t.same(s.clock.delays, [MIN_MS])
  },
)

t.test('addresses that no server can have', async t => {
  const s = await scene(t, { srv: [{ target: 'a.test', port: 1 }], hosts: { 'a.test': ['0.0.0.0', '10.0.0.1'] } })
  await s.says('10.0.0.1:1 0/1')
  t.equal(s.remarks.at(-1), `${NAME}: 0.0.0.0 is left out: no server can have this address`)
})

t.test('the next server is asked where one fails or nobody listens', async t => {
  const failing = await dnsServer(t, { rcode: RCODE.SERVFAIL })
  const good = await dnsServer(t, TWO)
  const s = new Scene(t, good, { servers: [failing.address, good.address] })
  await s.says(TOLD)
  t.same([failing.questions, good.questions], [[`SRV ${NAME}`], [`SRV ${NAME}`]])
  const nobody = new Scene(t, good, { servers: ['127.0.0.1:1', good.address] })
  await nobody.says(TOLD)
})

t.test('after close nothing is asked or said', async t => {
  const s = await scene(t, { ...TWO, odd: 'silent' })
  await until('asked', () => s.server.questions.length === 1)
  s.source.close()
  await new Promise(resolve => setImmediate(resolve))
  s.source.refresh()
  s.clock.advance(MAX_MS)
  t.same([s.told, s.clock.pending, s.server.questions.length], [[], 0, 1])
})

t.test('several targets cannot be resolved: the same is said of it each time', async t => {
  const names = Array.from({ length: 20 }, (_, i) => `h${i}.test`)
  const srv = [...names, 'a.test'].map(target => ({ target, port: 1 }))
  const s = await scene(t, {
    srv,
    hosts: { 'a.test': ['10.0.0.1'] },
    glue: false,
    rcode: RCODE.SERVFAIL,
    failing: names,
  })
  for (let i = 0; i < 3; i++) {
    await until('another look', () => s.remarks.length > i && s.clock.delays[0]! >= MIN_MS)
    t.equal(s.remarks.at(-1), `${NAME}: h0.test: the DNS server failed (SERVFAIL)`)
    s.next()
  }
})
