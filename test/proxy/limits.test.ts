/** Limits of a backend as a configuration says them, with real servers: who waits, who goes on, who is refused. */
import t, { type Test } from 'tap'
import type { Metadata } from '../../src/demo/call.ts'
import type { TestClient } from '../../src/demo/http2-client.ts'
import type { PingReply } from '../../src/demo/messages.ts'
import type { BackendOptions, ProxyOptions } from '../../src/index.ts'
import { until } from '../support/until.ts'
import { ask, client, type Server, SILENT, server, started, Talk } from './change-rig.ts'

/** Nobody's time in the queue is over within a test. */
const QUEUE = { timeoutMs: 60_000 }

async function behind(t: Test, options: BackendOptions, names = 'a') {
  const servers: Server[] = []
  for (const name of names) servers.push(await server(t, name))
  const main = { endpoints: servers.map(({ url }) => url), queue: QUEUE, ...options }
  const config = { ...SILENT, backends: { main } } satisfies ProxyOptions
  const { proxy, addresses } = await started(t, config)
  return { proxy, config, client: () => client(t, addresses[0]!), waiting: () => proxy.counts().waitingCalls }
}

/** Calls that last, each once it is answered; those that wait are answered later. */
class Talks {
  readonly answered: [Talk, server: string][] = []
  readonly #begun: Promise<void>[] = []

  begin(by: TestClient, count: number): this {
    for (let i = 0; i < count; i++) {
      const talk = new Talk(by)
      this.#begun.push(talk.say('hello').then(name => void this.answered.push([talk, name])))
    }
    return this
  }

  async endOne(): Promise<void> {
    await this.answered.shift()![0].end()
  }

  async endAll(): Promise<void> {
    while (this.answered.length > 0) await this.endOne()
    await Promise.all(this.#begun)
    while (this.answered.length > 0) await this.endOne()
  }
}

t.test(
  'a breaker: a loud client with calls that last leaves room for another, and its calls that wait go on',
  async t => {
    const here = await behind(t, { breaker: { maxCalls: 5 } })
    const [loud, quiet] = [here.client(), here.client()]
    const talks = new Talks().begin(loud, 8)
    await until('four of five are taken, the others wait', () => talks.answered.length === 4 && here.waiting() === 4)
    t.equal(here.proxy.counts().backendStreams, 4)
    for (let i = 0; i < 3; i++) t.equal(await ask(quiet), 'a')
    await talks.endOne()
    await until('the next one goes on', () => talks.answered.length === 4 && here.waiting() === 3)
    t.equal(here.proxy.counts().backendStreams, 4)
    await talks.endAll()
    t.equal(here.waiting(), 0)
  },
)

t.test('a breaker is changed while calls wait: they go on at once', async t => {
  const here = await behind(t, { breaker: { maxCalls: 2 } })
  const talks = new Talks().begin(here.client(), 6)
  await until('all but one wait', () => talks.answered.length === 1 && here.waiting() === 5)
  const { main } = here.config.backends
  await here.proxy.apply({ ...here.config, backends: { main: { ...main, breaker: { maxCalls: 100 } } } })
  await until('none waits', () => talks.answered.length === 6)
  await talks.endAll()
})

t.test('a limit for each endpoint: what the first cannot take goes to the next, and then waits', async t => {
  const here = await behind(t, { endpointLimit: { maxCalls: 1 }, balancer: 'pick-first' }, 'ab')
  const talks = new Talks()
  for (const clients of [1, 2, 3]) {
    talks.begin(here.client(), 1)
    await until('it is there', () => talks.answered.length + here.waiting() === clients)
  }
  await until('both are full', () => talks.answered.length === 2 && here.waiting() === 1)
  t.same(talks.answered.map(([, name]) => name).sort(), ['a', 'b'])
  await talks.endOne()
  await until('the third goes on', () => talks.answered.length === 2)
  await talks.endAll()
})

t.test(
  'a limit by latency grows while answers come as usual: who waited goes on, though no call has ended',
  async t => {
    const limit = { kind: 'gradient', min: 2, max: 100, windowMs: 50, tolerance: 10 } as const
    const here = await behind(t, { endpointLimit: limit })
    const [lasting, busy] = [here.client(), here.client()]
    const talks = new Talks().begin(lasting, 3)
    await until('one of two places is kept', () => talks.answered.length === 1 && here.waiting() === 2)
    for (let calls = 0; talks.answered.length < 3 && calls < 100_000; calls++) await ask(busy)
    await until('all go on', () => talks.answered.length === 3)
    const [endpoint] = here.proxy.state().backends[0]!.endpoints
    t.ok(endpoint!.callLimit! >= 4, `${endpoint!.callLimit}, as the state says`)
    await talks.endAll()
  },
)

/** Of a call that the proxy answers itself, without waiting. */
async function refusal(by: TestClient, metadata: Metadata): Promise<object> {
  const headers = await by.call<PingReply>('Ping', [{ value: 'x' }], metadata).headers
  const value = (name: string) => String(headers.find(([known]) => known === name)?.[1])
  return { status: value('grpc-status'), token: value('x-grpc-verbatim-error') }
}

t.test('sheddable calls give way, by what the client says or the route; the others wait', async t => {
  const { url } = await server(t, 'a')
  const queue = { ...QUEUE, maxCalls: 4, priority: { metadata: 'x-priority', shedAt: 0.25 } }
  const { proxy, addresses } = await started(t, {
    ...SILENT,
    backends: { main: { endpoints: [url], breaker: { maxCalls: 1 }, queue } },
    routes: [
      { match: { metadata: { 'x-batch': { present: true } } }, backend: 'main', priority: 'sheddable' },
      { backend: 'main' },
    ],
  })
  const by = client(t, addresses[0]!)
  const talks = new Talks().begin(by, 2)
  await until('a quarter of the queue is taken', () => proxy.counts().waitingCalls === 1)
  const shed = { status: '14', token: 'shed' }
  t.same(await refusal(by, [['x-priority', 'sheddable']]), shed)
  const batch: Metadata = [
    ['x-batch', '1'],
    ['x-priority', 'critical'],
  ]
  t.same(await refusal(by, batch), shed, 'the route decides, not the client')
  const critical = by.unary<PingReply>('Ping', { value: 'critical' }, [['x-priority', 'critical']])
  await until('a critical one waits', () => proxy.counts().waitingCalls === 2)
  await talks.endAll()
  t.equal((await critical).server, 'a')
})
