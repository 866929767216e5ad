/**
 * Sources that ask a real authoritative DNS server, over the network, by the system's clock: through Node's own resolver
 * (`dns`), and through ours (`srv`).
 */
import t, { type Test } from 'tap'
import type { EndpointSpec } from '../../src/backend/endpoint-source.ts'
import { Dialling } from '../../src/config/dialling.ts'
import { sourceSetup } from '../../src/config/source.ts'
import { systemClock } from '../../src/transport/clock.ts'
import { until } from '../support/until.ts'
import { NO_NSD, Nsd } from './nsd.ts'

const SKIP = { skip: NO_NSD ?? false }
const OFTEN = { minIntervalMs: 100, maxIntervalMs: 300, jitter: 0.1, maxEndpoints: 1_000 }

class Asking {
  told: readonly EndpointSpec[] = []
  reason = ''
  remark: string | undefined

  constructor(t: Test, nsd: Nsd, what: { dns: string } | { srv: string }, more: object = {}) {
    const config = { ...what, servers: [nsd.address], ...OFTEN, ...more }
    const source = sourceSetup(config, '/', new Dialling('/', undefined)).open({
      clock: systemClock,
      random: Math.random,
    })
    t.teardown(() => source.close())
    source.start({
      onEndpoints: (all, remark) => {
        this.told = all
        this.remark = remark
        this.reason = ''
      },
      onError: reason => {
        this.reason = reason
      },
    })
  }

  get list(): string {
    return this.told.map(({ address: { tcp } }) => `${tcp!.host}:${tcp!.port}`).join(' ')
  }

  tells(list: string): Promise<void> {
    return until(
      list,
      () => this.list === list && this.reason === '',
      () => `${this.list} ${this.reason}`,
    )
  }

  fails(reason: RegExp): Promise<void> {
    return until(
      `${reason}`,
      () => reason.test(this.reason),
      () => `${this.list} ${this.reason}`,
    )
  }
}

t.test('addresses that change, with TTLs of 0 and 1', SKIP, async t => {
  const nsd = await Nsd.start(t, 'pods 0 IN A 10.0.0.1\npods 0 IN AAAA fd00::1\n')
  const asking = new Asking(t, nsd, { dns: 'pods.api.test:50051' })
  await asking.tells('10.0.0.1:50051 fd00::1:50051')
  const [kept] = asking.told
  nsd.has('pods 1 IN A 10.0.0.1\npods 1 IN A 10.0.0.2\n')
  await asking.tells('10.0.0.1:50051 10.0.0.2:50051')
  t.equal(asking.told[0]!.key, kept!.key)
})

t.test(
  'a name that goes and comes back; a zone that is not loaded; a name that the server does not serve',
  SKIP,
  async t => {
    const nsd = await Nsd.start(t, 'pods 0 IN A 10.0.0.1\n')
    const asking = new Asking(t, nsd, { dns: 'pods.api.test:1' })
    await asking.tells('10.0.0.1:1')
    nsd.has('')
    await asking.fails(/NXDOMAIN/)
    t.equal(asking.list, '10.0.0.1:1', 'that from before stays')
    nsd.has('pods 0 IN TXT "no address"\n')
    await asking.fails(/has no A and no AAAA records/)
    nsd.has('pods 0 IN A 10.0.0.2\n')
    await asking.tells('10.0.0.2:1')
    await new Asking(t, nsd, { dns: 'x.unloaded.test:1' }).fails(/SERVFAIL/)
    await new Asking(t, nsd, { srv: '_grpc._tcp.unloaded.test' }).fails(/SERVFAIL/)
    await new Asking(t, nsd, { dns: 'x.elsewhere.test:1' }).fails(/REFUSED/)
    await new Asking(t, nsd, { srv: '_grpc._tcp.elsewhere.test' }).fails(/REFUSED/)
  },
)

t.test('SRV: priorities, weights and ports that change, with and without addresses beside them', SKIP, async t => {
  const hosts = 'a 5 IN A 10.0.0.1\nb 5 IN A 10.0.0.2\nb 5 IN AAAA fd00::2\n'
  const nsd = await Nsd.start(t, `_grpc._tcp 0 IN SRV 0 30 1 a\n_grpc._tcp 0 IN SRV 5 10 2 b\n${hosts}`)
  const asking = new Asking(t, nsd, { srv: '_grpc._tcp.api.test' })
  await asking.tells('10.0.0.1:1 10.0.0.2:2 fd00::2:2')
  t.strictSame(
    asking.told.map(({ priority, weight }) => [priority, weight]),
    [
      [0, 30],
      [5, 5],
      [5, 5],
    ],
  )
  nsd.has(`_grpc._tcp 0 IN SRV 0 0 7 a\n${hosts}`)
  await asking.tells('10.0.0.1:7')
  nsd.has(`_grpc._tcp 0 IN CNAME _other._tcp\n_other._tcp 0 IN SRV 0 0 8 b\n${hosts}`)
  await asking.tells('10.0.0.2:8 fd00::2:8')
  nsd.has('_grpc._tcp 0 IN SRV 0 0 0 .\n')
  await asking.fails(/said not to be there/)
  nsd.has('')
  await asking.fails(/NXDOMAIN/)
})

t.test('500 addresses, and 200 SRV records: over TCP, whole', SKIP, async t => {
  const ip = (i: number) => `10.0.${i >> 8}.${i & 255}`
  const many = Array.from({ length: 500 }, (_, i) => `many 60 IN A ${ip(i)}\n`).join('')
  const srv = Array.from({ length: 200 }, (_, i) => `_many._tcp 60 IN SRV 0 1 1 h${i}\nh${i} 60 IN A ${ip(i)}\n`).join(
    '',
  )
  const nsd = await Nsd.start(t, many + srv)
  const [all, some, services] = [
    new Asking(t, nsd, { dns: 'many.api.test:1' }),
    new Asking(t, nsd, { dns: 'many.api.test:1' }, { maxEndpoints: 100 }),
    new Asking(t, nsd, { srv: '_many._tcp.api.test' }),
  ]
  await until('all are told', () => all.told.length === 500 && some.told.length === 100 && services.told.length === 200)
  t.equal(new Set(all.told.map(({ key }) => key)).size, 500)
  t.match(some.remark, /there are 500 addresses, and 100 of them are used: see maxEndpoints/)
})

t.test('a server that hangs: the last list stays, it is said, and it goes on when the server does', SKIP, async t => {
  const nsd = await Nsd.start(t, 'pods 0 IN A 10.0.0.1\n_grpc._tcp 0 IN SRV 0 0 1 pods\n')
  const both = [new Asking(t, nsd, { dns: 'pods.api.test:1' }), new Asking(t, nsd, { srv: '_grpc._tcp.api.test' })]
  for (const asking of both) await asking.tells('10.0.0.1:1')
  nsd.freeze()
  for (const asking of both) {
    await asking.fails(/no DNS server answered in time/)
    t.equal(asking.list, '10.0.0.1:1')
  }
  nsd.goOn()
  for (const asking of both) await asking.tells('10.0.0.1:1')
})
