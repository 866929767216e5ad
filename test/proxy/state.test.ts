/** What a proxy says of its backends: the state. */
import { PassThrough } from 'node:stream'
import t from 'tap'
import { stateOfBackend } from '../../src/backend/backend-state.ts'
import { createProxy, type OwnSourceSink, type ProxyState } from '../../src/index.ts'
import { BackendRig } from '../backend/rig.ts'
import { answer, answered, open, requestFields } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { Code, Setting } from '../support/frames.ts'
import { until } from '../support/until.ts'
import { ask, client, SILENT, server, started, Talk } from './change-rig.ts'
import { rig } from './rig.ts'

const NO_TOTALS = { calls: 0, broken: 0, connects: 0, connectFailures: 0 }

/** A state survives JSON: nothing in it is lost or made something else. */
function same(state: ProxyState): ProxyState {
  const copy = JSON.parse(JSON.stringify(state))
  t.strictSame(copy, state, 'as JSON')
  return copy
}

t.test('nothing has happened', async t => {
  const proxy = createProxy({
    ...SILENT,
    backends: {
      main: { endpoints: ['10.0.0.1:1', { address: '10.0.0.2:1', weight: 3, priority: 1, locality: 'b' }] },
      other: { endpoints: ['10.0.0.3:1'], balancer: { kind: 'least-request' } },
    },
    routes: [{ match: {}, backend: 'main' }],
  })
  t.teardown(() => proxy.close())
  const { backends, backendCount, counts } = same(proxy.state())
  t.strictSame(counts, proxy.counts())
  t.equal(backendCount, 2)
  const none = { calls: 0, waiting: 0, sessions: 0, totals: NO_TOTALS, retiring: false, source: 'list' }
  const endpoint = {
    ...{ source: 'list', usable: true, reasons: [], state: 'idle', calls: 0, waiting: 0 },
    ...{ sessionCount: 0, sessions: [], totals: NO_TOTALS },
  }
  const [main, other] = backends
  t.strictSame(main, {
    ...{ name: 'main', ...none, balancer: 'round-robin', toldCount: 2, endpointCount: 2, usableCount: 2 },
    endpoints: [
      {
        ...{ address: 'http://10.0.0.1:1', ...endpoint, weight: 1, effectiveWeight: 1, locality: '', priority: 0 },
        inUse: true,
      },
      {
        ...{ address: 'http://10.0.0.2:1', ...endpoint, weight: 3, effectiveWeight: 3, locality: 'b', priority: 1 },
        inUse: false,
      },
    ],
  })
  t.match(other, { name: 'other', balancer: 'least-request' })
})

t.test('calls, sessions and totals; an endpoint that has left finishes its calls, and is not forgotten', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const { proxy, addresses } = await started(t, { ...SILENT, backends: { main: { endpoints: [a.url] } } })
  const by = client(t, addresses[0]!)
  const talk = new Talk(by)
  t.equal(await talk.say('hello'), 'a')
  t.equal(await ask(by), 'a')
  const [main] = same(proxy.state()).backends
  t.match(main, { calls: 1, sessions: 1, totals: { calls: 2, broken: 0, connects: 1, connectFailures: 0 } })
  const [endpoint] = main!.endpoints
  t.match(endpoint, { state: 'ready', calls: 1, sessionCount: 1, inUse: true })
  t.match(endpoint!.sessions, [{ pool: 'shared', draining: false, streams: 1, room: Number }])
  t.ok(endpoint!.sessions[0]!.ageMs >= 0 && endpoint!.sessions[0]!.ageMs < 60_000)

  proxy.backend('main').setEndpoints([b.url])
  t.equal(await ask(by), 'b')
  const [left] = same(proxy.state()).backends
  t.match(left, { calls: 1, totals: { calls: 3, connects: 2 }, toldCount: 1, endpointCount: 2, usableCount: 1 })
  t.match(left!.endpoints, [
    { address: b.url, source: 'code', usable: true },
    {
      ...{ address: a.url, usable: false, inUse: false, state: 'closed', calls: 1 },
      reasons: [{ by: 'retiring', text: 'it is not on the list any more' }],
      sessions: [{ draining: true, streams: 1, room: 0 }],
    },
  ])
  await talk.end()
  await until('it is gone', () => proxy.state().backends[0]!.endpointCount === 1)
  t.match(proxy.state().backends, [{ calls: 0, totals: { calls: 3, connects: 2 } }], 'what it did stays counted')
})

t.test('an endpoint that cannot be reached: why, since when, and how often', async t => {
  const { proxy, addresses } = await started(t, { ...SILENT, backends: { main: { endpoints: ['127.0.0.1:1'] } } })
  await t.rejects(ask(client(t, addresses[0]!)), { code: 14 })
  const [endpoint] = same(proxy.state()).backends[0]!.endpoints
  t.match(endpoint, {
    ...{ usable: false, state: 'backoff', reasons: [{ by: 'connect', text: /ECONNREFUSED/ }] },
    ...{ lastError: { text: /ECONNREFUSED/ }, totals: { connects: 0, connectFailures: 1 } },
  })
  t.ok(endpoint!.lastError!.agoMs >= 0 && endpoint!.lastError!.agoMs < 60_000)
})

t.test('a call that waits, and one that its endpoint breaks', async t => {
  const here = await rig(t, {
    backend: { settings: { [Setting.MAX_CONCURRENT_STREAMS]: 1 } },
    upstream: { sessions: { max: 1, reserve: 0, apart: 0 } },
  })
  const call = await open(here, { endStream: true })
  here.client.request(requestFields(), { endStream: true })
  await until('one waits', () => here.proxy.counts().waitingCalls === 1)
  t.match(same(here.proxy.state()).backends, [
    { calls: 1, waiting: 1, endpoints: [{ calls: 1, waiting: 0, sessions: [{ streams: 1, room: 0 }] }] },
  ])
  call.backend.rst(call.backendId, Code.INTERNAL_ERROR)
  await until('the other has its stream', () => here.proxy.state().backends[0]!.totals.calls === 2)
  t.match(here.proxy.state().backends, [{ waiting: 0, totals: { calls: 2, broken: 1 } }])
})

t.test('text of a peer is shown with a bound, and nothing in it that a terminal obeys', async t => {
  const here = await rig(t)
  const call = await open(here, { endStream: true })
  answer(call)
  await answered(t, call)
  call.backend.goaway(call.backendId, 0, `\u001b[2Jhello\u202e${'x'.repeat(10_000)}`)
  await until('it is known', () => here.proxy.state().backends[0]!.endpoints[0]!.lastError !== undefined)
  const { text } = here.proxy.state().backends[0]!.endpoints[0]!.lastError!
  t.match(text, /^GOAWAY 0 "\\\\?u001b\[2Jhello/)
  t.ok(text.length < 1_000, `${text.length}`)
  t.notMatch(text, /[\p{Cc}\u202e]/u)
})

t.test('the source, and what is wrong with it', async t => {
  let sink: OwnSourceSink | undefined
  const source = {
    name: 'registry\n',
    start(given: OwnSourceSink) {
      sink = given
    },
  }
  const { proxy } = await started(t, { ...SILENT, backends: { main: { source } } })
  await until('it is started', () => sink !== undefined)
  const of = () => proxy.state().backends[0]!
  t.match(of(), { source: 'registry\\u000a', toldCount: 0, endpoints: [] })
  t.notOk('sourceProblem' in of())
  sink!.onError('away')
  await until('it is known', () => of().sourceProblem !== undefined)
  t.strictSame(of().sourceProblem, { kind: 'lost', text: 'away' })
  sink!.onEndpoints(['10.0.0.1:1'])
  await until('it is known', () => of().sourceProblem === undefined)
  t.match(of().endpoints, [{ source: 'registry\\u000a' }])
})

t.test('ten thousand endpoints: by pages, and no more of them in all', async t => {
  const many = Array.from({ length: 10_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:1`)
  const backends = Object.fromEntries(['a', 'b', 'c'].map(name => [name, { endpoints: many }]))
  const proxy = createProxy({ ...SILENT, backends, routes: [{ match: {}, backend: 'a' }] })
  t.teardown(() => proxy.close())
  const shown = (state: ProxyState) => state.backends.map(({ endpoints }) => endpoints.length)
  t.strictSame(shown(proxy.state()), [100, 100, 100])
  t.strictSame(shown(proxy.state({ mostEndpoints: 6_000 })), [6_000, 4_000, 0])
  t.strictSame(shown(proxy.state({ backend: 'b', mostEndpoints: 50_000 })), [10_000])
  t.strictSame(shown(proxy.state({ backend: 'nobody' })), [])
  const all = new Set<string>()
  for (let firstEndpoint = 0; firstEndpoint < 10_000; firstEndpoint += 1_000) {
    const [b] = proxy.state({ backend: 'b', firstEndpoint, mostEndpoints: 1_000 }).backends
    for (const { address } of b!.endpoints) all.add(address)
    t.equal(b!.endpointCount, 10_000)
  }
  t.equal(all.size, 10_000)
  for (const wrong of [-1, 0.5, Number.NaN]) t.throws(() => proxy.state({ mostEndpoints: wrong }), RangeError)
})

t.test('nothing secret is in it', async t => {
  const { server: identity, ca } = await certificates()
  const endpoints = ['https://127.0.0.1:1', { name: 'tunnel', connect: () => new PassThrough() }]
  const tls = { ca: ca.cert, cert: identity.cert, key: identity.key, serverName: 'x.test' }
  const { proxy, addresses } = await started(t, { ...SILENT, backends: { main: { endpoints, tls } } })
  await t.rejects(ask(client(t, addresses[0]!)))
  const text = JSON.stringify(proxy.state())
  t.match(text, /tunnel/)
  t.notMatch(text, /BEGIN|x\.test|sha256|key"/)
})

t.test('what speaks against an endpoint: all of it, and in a panic it is in use all the same', async t => {
  const rig = new BackendRig({ endpoints: 'abc' })
  const state = () => stateOfBackend(rig.backend, { first: 0, most: 10, nowMs: rig.clock.now(), shown: text => text })
  const [a, b, c] = rig.backend.endpoints
  a!.bar('health', 'says NOT_SERVING')
  a!.bar('outlier', '5 calls failed in a row')
  t.match(state(), { usableCount: 2 })
  t.match(state().endpoints, [
    {
      ...{ usable: false, inUse: false },
      reasons: [
        { by: 'health', text: 'says NOT_SERVING' },
        { by: 'outlier', text: '5 calls failed in a row' },
      ],
    },
    { usable: true, inUse: true },
    { usable: true, inUse: true },
  ])
  b!.bar('health', 'says NOT_SERVING')
  c!.bar('health', 'says NOT_SERVING')
  t.strictSame(
    state().endpoints.map(({ usable, inUse }) => [usable, inUse]),
    [
      [false, true],
      [false, true],
      [false, true],
    ],
  )
  a!.unbar('outlier')
  for (const endpoint of [a, b, c]) endpoint!.unbar('health')
  t.equal(state().usableCount, 3)
})

t.test('no more than 16 sessions of an endpoint are told one by one', async t => {
  const rig = new BackendRig({ sessions: { max: 20, ready: 20, reserve: 0 } })
  while (rig.transport.sessions.length < 20) rig.transport.sessions.at(-1)!.ready()
  rig.transport.sessions.at(-1)!.ready()
  const [state] = stateOfBackend(rig.backend, {
    first: 0,
    most: 1,
    nowMs: rig.clock.now(),
    shown: text => text,
  }).endpoints
  t.equal(state!.sessionCount, 20)
  t.equal(state!.sessions.length, 16)
  t.match(state!.totals, { connects: 20 })
})

t.test('a limit of each endpoint is told', async t => {
  const rig = new BackendRig({ endpointLimit: { maxCalls: 5 } })
  const view = { first: 0, most: 1, nowMs: rig.clock.now(), shown: (text: string) => text }
  t.match(stateOfBackend(rig.backend, view).endpoints, [{ callLimit: 5 }])
})
