/** A configuration follows another while calls run: nothing is lost, and nothing of the old one is left. */
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import { freePort } from '../../bench/measure/child.ts'
import type { PingReply } from '../../src/demo/messages.ts'
import { createProxy } from '../../src/index.ts'
import { certificates } from '../support/certs.ts'
import { Setting } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { idle, until } from '../support/until.ts'
import { allTo, ask, client, SILENT, server, started, Talk } from './change-rig.ts'

const LISTENERS = [{ address: '127.0.0.1:0' }]
const NOTHING = { added: [], updated: [], removed: [] }

t.test('routes: the next call goes by the new ones, a call in flight stays where it is', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const backends = { a: { endpoints: [a.url] }, b: { endpoints: [b.url] } }
  const options = (backend: string) => ({ ...SILENT, listeners: LISTENERS, backends, routes: [{ backend }] })
  const { proxy, addresses } = await started(t, options('a'))
  const by = client(t, addresses[0]!)
  const talk = new Talk(by)
  t.equal(await talk.say('one'), 'a')
  t.strictSame(await proxy.apply(options('b')), { listeners: NOTHING, backends: NOTHING, needsRestart: [] })
  t.equal(await ask(by), 'b')
  t.equal(await talk.say('two'), 'a')
  await talk.end()
})

t.test('a canary gets more: who was there stays there, and the others move only to it', async t => {
  const [stable, canary] = [await server(t, 'stable'), await server(t, 'canary')]
  const backends = { stable: { endpoints: [stable.url] }, canary: { endpoints: [canary.url] } }
  const options = (weight: number) => ({
    ...SILENT,
    listeners: LISTENERS,
    backends,
    routes: [
      {
        backends: [
          { backend: 'stable', weight: 100 - weight },
          { backend: 'canary', weight },
        ],
        hashKey: { metadata: 'x-user' },
      },
    ],
  })
  const { proxy, addresses } = await started(t, options(20))
  const by = client(t, addresses[0]!)
  const all = () =>
    Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const reply = await by.unary<PingReply>('Ping', {}, [['x-user', `user-${i}`]])
        return reply.server
      }),
    )
  const before = await all()
  t.strictSame(await all(), before)
  t.match(proxy.state().routes, [{ hashKey: { metadata: 'x-user' }, hits: 200 }])
  await proxy.apply(options(50))
  const after = await all()
  t.ok(after.filter(name => name === 'canary').length > before.filter(name => name === 'canary').length)
  for (const [i, name] of before.entries()) if (name === 'canary') t.equal(after[i], 'canary', `user-${i}`)
})

t.test('a director of code follows another', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const backends = { a: { endpoints: [a.url] }, b: { endpoints: [b.url] } }
  const options = (backend: string) => ({ ...SILENT, listeners: LISTENERS, backends, director: () => ({ backend }) })
  const { proxy, addresses } = await started(t, options('a'))
  const by = client(t, addresses[0]!)
  t.equal(await ask(by), 'a')
  await proxy.apply(options('b'))
  t.equal(await ask(by), 'b')
})

t.test(
  'a director is asked under one configuration and answers under the next: the call is told that the backend has gone',
  async t => {
    const [a, b] = [await server(t, 'a'), await server(t, 'b')]
    let answer = (): void => {}
    const asked = new Promise<void>(resolve => {
      answer = resolve
    })
    let heard = (): void => {}
    const inside = new Promise<void>(resolve => {
      heard = resolve
    })
    const { proxy, addresses } = await started(t, {
      ...SILENT,
      backends: { old: { endpoints: [a.url] } },
      director: async () => {
        heard()
        await asked
        return { backend: 'old' }
      },
    })
    const by = client(t, addresses[0]!)
    const talk = new Talk(by)
    const first = talk.say('one')
    await inside
    await proxy.apply({ ...SILENT, listeners: LISTENERS, backends: { new: { endpoints: [b.url] } } })
    await until('it is gone', () => proxy.counts().backendSessions === 0)
    await new Promise(setImmediate)
    answer()
    // It had no call that would have kept it.
    await t.rejects(first, { code: 14, message: 'no endpoint of the backend can be reached' })
    t.equal(await ask(by), 'b')
  },
)

t.test(
  'a director answers after its backend was made anew, on another transport: the new one serves the call',
  async t => {
    const a = await server(t, 'a')
    const [asked, answers] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const options = (transport: 'frames' | 'native') => ({
      ...SILENT,
      listeners: LISTENERS,
      backends: { main: { endpoints: [a.url], transport } },
      director: async () => {
        asked.resolve()
        await answers.promise
        return { backend: 'main' }
      },
    })
    const { proxy, addresses } = await started(t, options('frames'))
    const call = ask(client(t, addresses[0]!))
    await asked.promise
    await proxy.apply(options('native'))
    await new Promise(setImmediate)
    answers.resolve()
    t.equal(await call, 'a')
  },
)

t.test('backends: one that goes finishes its calls, then its sessions are gone; one that comes serves', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const { proxy, addresses } = await started(t, { ...allTo(a), backends: { first: { endpoints: [a.url] } } })
  const by = client(t, addresses[0]!)
  const talk = new Talk(by)
  t.equal(await talk.say('one'), 'a')
  const { backends } = await proxy.apply({
    ...SILENT,
    listeners: LISTENERS,
    backends: { second: { endpoints: [b.url] } },
  })
  t.strictSame(backends, { added: ['second'], updated: [], removed: ['first'] })
  t.equal(await ask(by), 'b')
  t.equal(proxy.counts().backendSessions, 2)
  t.equal(await talk.say('two'), 'a')
  await talk.end()
  await until('the session to a is gone', () => proxy.counts().backendSessions === 1)
  t.equal(await ask(by), 'b')
})

t.test('endpoints: those that stay keep their sessions, those that leave finish their calls', async t => {
  const [a, b, c] = [await server(t, 'a'), await server(t, 'b'), await server(t, 'c')]
  const { proxy, addresses } = await started(t, { ...SILENT, backends: { main: { endpoints: [a.url, b.url] } } })
  const by = client(t, addresses[0]!)
  const talks = [new Talk(by), new Talk(by)]
  t.same([await talks[0]!.say('x'), await talks[1]!.say('x')].sort(), ['a', 'b'])
  const { backends } = await proxy.apply({
    ...SILENT,
    listeners: LISTENERS,
    backends: { main: { endpoints: [b.url, c.url] } },
  })
  t.strictSame(backends, { added: [], updated: ['main'], removed: [] })
  const answers = new Set<string>()
  for (let i = 0; i < 6; i++) answers.add(await ask(by))
  t.same([...answers].sort(), ['b', 'c'])
  for (const talk of talks) {
    await talk.say('y')
    await talk.end()
  }
  await until('only those to b and c are left', () => proxy.counts().backendSessions === 2)
})

t.test('setEndpoints: a discovery of code names the endpoints; apply names them again', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const { proxy, addresses } = await started(t, allTo(a))
  const by = client(t, addresses[0]!)
  t.equal(await ask(by), 'a')
  proxy.backend('main').setEndpoints([b.url])
  t.equal(await ask(by), 'b')
  proxy.backend('main').setEndpoints([])
  await t.rejects(ask(by), { code: 14 })
  t.throws(() => proxy.backend('main').setEndpoints(['ftp://x']), { name: 'ConfigError' })
  t.throws(() => proxy.backend('other').setEndpoints([a.url]), { name: 'RangeError', message: /no backend "other"/ })
  const { backends } = await proxy.apply(allTo(a, { listeners: LISTENERS }))
  t.same(backends.updated, ['main'])
  t.equal(await ask(by), 'a')
})

t.test('a backend on another transport is another backend', async t => {
  const a = await server(t, 'a')
  const { proxy, addresses } = await started(t, allTo(a))
  const by = client(t, addresses[0]!)
  const talk = new Talk(by)
  await talk.say('one')
  await proxy.apply({
    ...SILENT,
    listeners: LISTENERS,
    backends: { main: { endpoints: [a.url], transport: 'native' } },
  })
  t.equal(await ask(by), 'a')
  t.equal(await talk.say('two'), 'a')
  await talk.end()
  await until('one session is left', () => proxy.counts().backendSessions === 1)
})

t.test(
  'listeners: one that comes serves; one that goes says GOAWAY and lets calls finish; one that stays stays',
  async t => {
    const a = await server(t, 'a')
    const [kept, leaving] = [await freePort(), await freePort()]
    const at = (port: number) => ({ address: `127.0.0.1:${port}` })
    const { proxy } = await started(t, allTo(a, { listeners: [at(kept), at(leaving)] }))
    const stays = client(t, `127.0.0.1:${kept}`)
    const goes = client(t, `127.0.0.1:${leaving}`)
    const talks = [new Talk(stays), new Talk(goes)]
    for (const talk of talks) t.equal(await talk.say('one'), 'a')
    const coming = await freePort()
    const { listeners } = await proxy.apply(allTo(a, { listeners: [at(kept), at(coming)] }))
    t.strictSame(listeners, {
      added: [`127.0.0.1:${coming}`],
      updated: [],
      removed: [`127.0.0.1:${leaving}`],
    })
    t.equal(await ask(client(t, `127.0.0.1:${coming}`)), 'a')
    t.equal(await ask(stays), 'a', 'on the connection that it has')
    const refused = net.connect(leaving, '127.0.0.1')
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
    t.equal(error.code, 'ECONNREFUSED')
    for (const talk of talks) {
      t.equal(await talk.say('two'), 'a')
      await talk.end()
    }
    await until('the connection to the one that goes is gone', () => proxy.counts().clientSessions === 2)
  },
)

t.test('a listener that goes: a client that stays is cut off after the grace period', async t => {
  const a = await server(t, 'a')
  const { proxy, addresses } = await started(t, allTo(a))
  const talk = new Talk(client(t, addresses[0]!))
  await talk.say('one')
  await proxy.apply(allTo(a, { listeners: [], drain: { graceMs: 1 } }))
  // Its client must not end the call before the grace period does.
  await until('it is cut off', () => proxy.counts().clientConnections === 0)
  await t.rejects(talk.end())
  await idle(proxy)
})

t.test('an address that cannot be had: the error of the system, and nothing has changed', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as net.AddressInfo
  const { proxy, addresses } = await started(t, allTo(a))
  const by = client(t, addresses[0]!)
  const free = await freePort()
  const listeners = [...LISTENERS, { address: `127.0.0.1:${free}` }, { address: `127.0.0.1:${port}` }]
  await t.rejects(proxy.apply(allTo(b, { listeners })), { code: 'EADDRINUSE' })
  t.equal(await ask(by), 'a')
  await t.rejects(
    once(net.connect(free, '127.0.0.1'), 'connect'),
    { code: 'ECONNREFUSED' },
    'what was bound is free again',
  )
  await t.rejects(proxy.apply({ ...SILENT, backends: {} }), { name: 'ConfigError' })
  t.equal(await ask(by), 'a')
})

t.test('certificates: the next connection sees the new one, a connection that is there stays', async t => {
  const a = await server(t, 'a')
  const { server: first, client: other, ca } = await certificates()
  const listeners = (identity: { cert: string; key: string }) => [
    { address: '127.0.0.1:0', tls: { cert: identity.cert, key: identity.key } },
  ]
  const { proxy, addresses } = await started(t, allTo(a, { listeners: listeners(first) }))
  const port = Number(addresses[0]!.split(':')[1])
  const name = async () => {
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      ALPNProtocols: ['h2'],
      ca: ca.cert,
      rejectUnauthorized: false,
    })
    await once(socket, 'secureConnect')
    t.teardown(() => socket.destroy())
    return { socket, name: socket.getPeerCertificate().subject.CN }
  }
  const before = await name()
  t.equal(before.name, 'localhost')
  const { listeners: changed } = await proxy.apply(allTo(a, { listeners: listeners(other) }))
  t.same(changed.updated, ['127.0.0.1:0'])
  t.equal((await name()).name, 'client')
  t.equal(before.socket.destroyed, false)
  const mixed = [{ address: '127.0.0.1:0', tls: { cert: first.cert, key: other.key } }]
  await t.rejects(proxy.apply(allTo(a, { listeners: mixed })))
  t.equal((await name()).name, 'client')
  await t.rejects(proxy.apply(allTo(a, { listeners: LISTENERS })), {
    name: 'UnfitChange',
    message: /listener 127\.0\.0\.1:0: whether it has TLS cannot change while it listens/,
  })
})

t.test('limits: the next session has the new ones, one that is there keeps its own', async t => {
  const a = await server(t, 'a')
  const { proxy, addresses } = await started(t, allTo(a, { limits: { maxConcurrentStreams: 7 } }))
  const port = Number(addresses[0]!.split(':')[1])
  const first = await RawClient.connect(t, port)
  await proxy.apply(allTo(a, { listeners: LISTENERS, limits: { maxConcurrentStreams: 9 } }))
  const second = await RawClient.connect(t, port)
  const most = ({ log }: RawClient) => {
    const settings = log.find(item => item.kind === 'settings' && !item.ack)
    return settings?.kind === 'settings' ? settings.values[Setting.MAX_CONCURRENT_STREAMS] : undefined
  }
  t.same([most(first), most(second)], [7, 9])
})

t.test('changes come one after the other, and none after close', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const { proxy, addresses } = await started(t, allTo(a))
  const by = client(t, addresses[0]!)
  const listeners = LISTENERS
  const all = await Promise.all([proxy.apply(allTo(b, { listeners })), proxy.apply(allTo(a, { listeners }))])
  t.same(
    all.map(({ backends }) => backends.updated),
    [['main'], ['main']],
  )
  t.equal(await ask(by), 'a')
  const late = proxy.apply(allTo(b, { listeners: [...listeners, { address: '127.0.0.1:0' }] }))
  const closed = proxy.close()
  await t.rejects(late, { message: 'the proxy is closed' })
  await closed
  await t.rejects(proxy.apply(allTo(b)), { message: 'the proxy is closed' })
  t.match(proxy.counts(), { clientConnections: 0, backendSessions: 0 })
})

t.test('a proxy that was not started: apply changes what start opens', async t => {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const proxy = createProxy(allTo(a, { listeners: [] }))
  t.teardown(() => proxy.close())
  await proxy.apply(allTo(b, { listeners: LISTENERS }))
  t.equal(proxy.counts().clientConnections, 0)
  const [bound] = await proxy.start()
  t.equal(await ask(client(t, bound!.address)), 'b')
})

t.test('what needs a restart is named', async t => {
  const a = await server(t, 'a')
  const { proxy } = await started(t, allTo(a))
  const { needsRestart } = await proxy.apply(
    allTo(a, { listeners: LISTENERS, log: { level: 'silent', pretty: true, maxBufferedBytes: 1_000_000 } }),
  )
  t.same(needsRestart, ['log.pretty', 'log.maxBufferedBytes'])
})

t.test('the end of a block with `await using` closes it', async t => {
  const a = await server(t, 'a')
  const proxy = createProxy(allTo(a))
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  t.equal(await ask(client(t, `127.0.0.1:${port}`)), 'a')
  // What the statement does; Node 22 has no syntax for it.
  await proxy[Symbol.asyncDispose]()
  await t.rejects(once(net.connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' })
})
