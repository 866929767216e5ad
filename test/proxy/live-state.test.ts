/** What a proxy says of its clients' side: listeners, routes, sessions, and calls in flight. */
import t from 'tap'
import { createProxy } from '../../src/index.ts'
import { message, open, RESPONSE, requestFields, running } from '../contract/rig.ts'
import { Setting } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { ask, client, SILENT, server, started, Talk } from './change-rig.ts'
import { PAIRING, rig } from './rig.ts'

t.test('listeners and sessions, and those of a listener that leaves', async t => {
  const one = await server(t, 'one')
  const options = { ...SILENT, metrics: true, backends: { main: { endpoints: [one.url] } } }
  const { proxy, addresses } = await started(t, options)
  const [address] = addresses
  const by = client(t, address!)
  await ask(by)
  const talk = new Talk(by)
  await talk.say('hello')
  const { listeners, sessions, calls } = proxy.state()
  const listener = { address, transport: 'frames', tls: false, connections: 1, sessions: 1 }
  t.strictSame(listeners, [{ ...listener, draining: false }])
  t.match(sessions, [{ peer: /^127\.0\.0\.1:/, encrypted: false, listener: address, streams: 1, opened: 2 }])
  t.ok(sessions[0]!.ageMs >= 0 && sessions[0]!.heldBytes > 0)
  t.match(calls, [{ peer: sessions[0]!.peer, phase: 'responding', waitsFor: 'messages', requestMessages: 1 }])

  await proxy.apply({ ...options, listeners: [{ address: 'localhost:0', transport: 'native' }] })
  t.match(proxy.state().listeners, [
    { transport: 'native', draining: false, sessions: 0 },
    { ...listener, draining: true },
  ])
  t.equal(proxy.state().sessions.length, 1)
  await talk.end()
  await until('it is gone', () => proxy.state().listeners.length === 1)
})

t.test('routes, with how often each has decided, also over a change', async t => {
  const one = await server(t, 'one')
  const backends = { main: { endpoints: [one.url] } }
  const greeter = { match: { service: 'some.Greeter' }, backend: 'main', addMetadata: { 'x-key': 'credential' } }
  const rest = { match: { metadata: { 'x-run': 'yes' } }, backend: 'main' }
  const denied = { match: { service: 'grpc.reflection.*' }, deny: 'UNIMPLEMENTED' } as const
  const { proxy, addresses } = await started(t, { ...SILENT, backends, routes: [greeter, denied, rest] })
  const raw = await RawClient.connect(t, Number(addresses[0]!.split(':').at(-1)))
  const call = async (path: string, fields: [string, string][] = []) => {
    const id = raw.request(requestFields(fields, path), { endStream: true })
    await raw.ended(id)
  }
  await call('/grpc.reflection.v1.X/Y')
  await call('/no.Such/Method')
  await call('/no.Such/Method', [['x-run', 'yes']])
  await call('/some.Greeter/X')
  await call('/some.Greeter/Y')
  const { routes, routeCount, unrouted } = proxy.state()
  t.strictSame(routes, [
    { order: 0, match: greeter.match, backend: 'main', hits: 2 },
    { order: 1, match: denied.match, deny: 'UNIMPLEMENTED', hits: 1 },
    { order: 2, match: rest.match, backend: 'main', hits: 1 },
  ])
  t.strictSame([routeCount, unrouted], [3, 1])
  t.notMatch(JSON.stringify(proxy.state()), /credential/)

  await proxy.apply({ ...SILENT, listeners: [{ address: '127.0.0.1:0' }], backends, routes: [rest, greeter, rest] })
  t.strictSame(
    proxy.state().routes.map(({ hits }) => hits),
    [1, 2, 0],
    'what is the same goes on',
  )
  t.equal(proxy.state().unrouted, 1)
  t.match(proxy.state({ firstRoute: 1, mostRoutes: 1 }), { routeCount: 3, routes: [{ order: 1, hits: 2 }] })
})

t.test('a single route for all calls counts too; a director in code has none', async t => {
  const one = await server(t, 'one')
  const backends = { main: { endpoints: [one.url] } }
  const { proxy, addresses } = await started(t, { ...SILENT, backends })
  await ask(client(t, addresses[0]!))
  t.match(proxy.state(), { routeCount: 1, routes: [{ match: {}, hits: 1 }], unrouted: 0 })
  const own = createProxy({ ...SILENT, backends, director: () => undefined })
  t.teardown(() => own.close())
  t.match(own.state(), { routeCount: 0, routes: [], unrouted: 0 })
})

t.test('which window keeps a call back: of the stream, or of the session', async t => {
  const here = await rig(t, { client: { auto: { window: false }, settings: { [Setting.INITIAL_WINDOW_SIZE]: 10 } } })
  const call = await open(here, { endStream: true })
  call.backend.headers(call.backendId, RESPONSE)
  call.backend.data(call.backendId, message('x'.repeat(95)))
  await until('it waits', () => here.proxy.state().calls[0]?.waitsFor === 'client-window')
  t.match(here.proxy.state().calls, [{ phase: 'responding', heldBackBy: 'stream', responseWaitingBytes: 90 }])
  here.client.windowUpdate(call.id, 1_000_000)
  await until('it has all', () => here.proxy.state().calls[0]?.waitsFor === 'backend')
  void call.backend.upload(call.backendId, message('x'.repeat(65_535)))
  await until('it waits again', () => here.proxy.state().calls[0]?.waitsFor === 'client-window')
  t.match(here.proxy.state().calls, [{ heldBackBy: 'session' }])
})

t.test('a backend that takes no more of a request', async t => {
  const here = await rig(t, { backend: { settings: { [Setting.INITIAL_WINDOW_SIZE]: 7 } } })
  const call = await open(here)
  here.client.data(call.id, message('hello'))
  await until('it waits', () => here.proxy.state().calls[0]?.waitsFor === 'backend-window')
  t.match(here.proxy.state().calls, [{ phase: 'forwarding', heldBackBy: 'stream', requestWaitingBytes: 3 }])
})

t.test('pages of calls and sessions; a page has a bound in bytes', async t => {
  const here = await running(t, PAIRING, { director: () => new Promise(() => {}), metrics: true })
  const { proxy, port } = here
  const clients = await Promise.all([1, 2, 3].map(() => RawClient.connect(t, port)))
  const path = `/long.Service/${'x'.repeat(4_000)}`
  for (const each of clients) {
    for (let i = 0; i < 40; i++) each.request(requestFields([], path), { endStream: true })
    await each.roundTrip()
  }
  const { counts, calls, sessions } = proxy.state()
  t.match(counts, { calls: 120, clientSessions: 3 })
  t.equal(calls.length, 100)
  t.equal(sessions.length, 3)
  t.equal(proxy.state({ firstCall: 100 }).calls.length, 20)
  t.match(proxy.state({ firstCall: 119, mostCalls: 1 }).calls, [{ peer: clientOf(2), waitsFor: 'director' }])
  t.match(proxy.state({ firstSession: 1, mostSessions: 1 }).sessions, [{ peer: clientOf(1), opened: 40 }])
  t.ok(JSON.stringify(calls).length < 100 * 1_500)
  for (const wrong of [-1, 0.5, Number.NaN])
    for (const name of ['mostCalls', 'firstCall', 'mostSessions', 'firstRoute'])
      t.throws(() => proxy.state({ [name]: wrong }), RangeError, `${name} ${wrong}`)

  function clientOf(i: number): string {
    return sessions[i]!.peer
  }
})
