/** Backends that a director brings along: `defineBackend`. */
import t, { type Test } from 'tap'
import { type BackendDefinition, ConfigError, createProxy, type Director, defineBackend } from '../../src/index.ts'
import { answer, answered, arrived, field, open, type Rig, refused, requestFields, running } from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { Setting } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer, type ServerOptions } from '../support/raw-server.ts'
import { until } from '../support/until.ts'
import { PAIRING } from './rig.ts'

interface Defined extends Rig {
  readonly director: { now: Director }
}

/** A proxy without a backend in its configuration; its director is the test's. */
async function rigOf(t: Test, options: ServerOptions = {}): Promise<Defined> {
  const backend = await RawServer.listen(t, options)
  const director: { now: Director } = { now: () => undefined }
  const { proxy, port } = await running(t, PAIRING, { director: call => director.now(call) })
  return { proxy, port, backend, director, client: await RawClient.connect(t, port) }
}

async function goesThrough(t: Test, here: Rig): Promise<void> {
  const call = await open(here, { endStream: true })
  answer(call)
  await answered(t, call)
}

t.test('an address, and options with that address', async t => {
  const { ca, server } = await certificates()
  const plain = await rigOf(t)
  for (const options of [plain.backend.url, `127.0.0.1:${plain.backend.port}`, { endpoints: [plain.backend.url] }]) {
    const backend = defineBackend(options)
    t.equal(backend.name, plain.backend.url, 'its name is the first endpoint')
    plain.director.now = () => ({ backend })
    await goesThrough(t, plain)
  }
  const secure = await rigOf(t, { tls: { cert: server.cert, key: server.key } })
  const backend = defineBackend({ endpoints: [secure.backend.url], tls: { ca: ca.cert } }, 'secure')
  t.equal(backend.name, 'secure')
  secure.director.now = async () => ({ backend, authority: 'other.test' })
  const call = await open(secure, { endStream: true })
  t.same([field(call.headers, ':scheme'), field(call.headers, ':authority')], ['https', 'other.test'])
  answer(call)
  await answered(t, call)
})

t.test('the same object is the same backend; another one is another, though it says the same', async t => {
  const here = await rigOf(t)
  const [one, two] = [defineBackend(here.backend.url), defineBackend(here.backend.url)]
  for (const [backend, connections] of [
    [one, 1],
    [one, 1],
    [two, 2],
    [one, 2],
    [two, 2],
  ] as const) {
    here.director.now = () => ({ backend })
    await goesThrough(t, here)
    t.equal(here.backend.connections.length, connections)
  }
  t.equal(here.proxy.counts().backendSessions, 2)
})

t.test('two proxies with the same definition: each opens its own sessions, and closes only these', async t => {
  const here = await rigOf(t)
  const backend = defineBackend(here.backend.url)
  here.director.now = () => ({ backend })
  const { proxy, port } = await running(t, PAIRING, { director: () => ({ backend }) })
  const other = { ...here, proxy, port, client: await RawClient.connect(t, port) }
  await goesThrough(t, here)
  await goesThrough(t, other)
  t.equal(here.backend.connections.length, 2)
  await proxy.close()
  await here.backend.connections[1]!.closed
  await goesThrough(t, here)
  t.equal(here.backend.connections.length, 2)
})

t.test('it is counted, and closed with the proxy', async t => {
  const here = await rigOf(t, { settings: { [Setting.MAX_CONCURRENT_STREAMS]: 1 } })
  const backend = defineBackend({ endpoints: [here.backend.url], sessions: { max: 1 } })
  here.director.now = () => ({ backend })
  const call = await open(here, { endStream: true })
  const waiting = here.client.request(requestFields(), { endStream: true })
  await here.client.roundTrip()
  t.match(here.proxy.counts(), { calls: 2, waitingCalls: 1, backendSessions: 1, backendStreams: 1 })
  answer(call)
  await answered(t, call)
  const next = await arrived(here, waiting)
  answer(next)
  await answered(t, next)
  await here.proxy.close()
  await here.backend.connections[0]!.closed
  await until('the session is forgotten', () => here.proxy.counts().backendSessions === 0)
})

t.test('its name is what clients hear, not its address', async t => {
  const here = await rigOf(t)
  const { url } = here.backend
  await here.backend.destroy()
  const backend = defineBackend(url, 'greeter')
  here.director.now = () => ({ backend })
  const id = here.client.request(requestFields(), { endStream: true })
  await refused(t, here.client, id, 14, 'no endpoint of the backend can be reached')
})

t.test('beside configured backends', async t => {
  const [configured, defined] = [await RawServer.listen(t), await RawServer.listen(t)]
  const backend = defineBackend(defined.url)
  const { proxy, port } = await running(t, PAIRING, {
    backends: { main: { endpoints: [configured.url] } },
    director: call => ({ backend: call.service === 'a.B' ? backend : 'main' }),
  })
  const client = await RawClient.connect(t, port)
  for (const [path, to] of [
    ['/a.B/C', defined],
    ['/x.Y/Z', configured],
  ] as const) {
    const id = client.request(requestFields([], path), { endStream: true })
    const call = await arrived({ proxy, port, client, backend: to }, id)
    answer(call)
    await answered(t, call)
  }
})

t.test('an object that defineBackend did not make: INTERNAL, and the next call goes through', async t => {
  const here = await rigOf(t)
  const backend = defineBackend(here.backend.url)
  for (const stranger of [{ name: 'main' }, { ...backend, endpoints: undefined }, [], () => backend]) {
    for (const director of [() => ({ backend: stranger }), async () => ({ backend: stranger })]) {
      here.director.now = director as Director
      const id = here.client.request(requestFields(), { endStream: true })
      await refused(t, here.client, id, 13)
      t.equal(field(here.client.stream(id)[0], 'x-grpc-verbatim-error'), 'unknown-backend')
    }
  }
  here.director.now = () => ({ backend })
  await goesThrough(t, here)
})

t.test('what cannot be a backend: ConfigError, and it says what is wrong', async t => {
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ['', /host/],
    ['127.0.0.1', /has no port/],
    ['http://127.0.0.1:99999', /is not a port/],
    ['ftp://127.0.0.1:1', /ftp/],
    [{ endpoints: [] }, /endpoints/],
    [{}, /endpoints/],
    [undefined, /./],
    [null, /./],
    [7, /./],
    [{ endpoints: ['127.0.0.1:1'], nonsense: 1 }, /unknown key/],
    [{ endpoints: ['127.0.0.1:1'], sessions: { max: 1, ready: 2 } }, /ready/],
    [{ endpoints: ['https://a:1'], tls: { ca: 'no such file' } }, /no such file/],
    [{ endpoints: [{ name: 'x', connect: 'no function' }] }, /a function/],
  ]
  for (const [options, says] of wrong) {
    try {
      defineBackend(options as string)
      t.fail(`${JSON.stringify(options)} was taken`)
    } catch (error) {
      t.ok(error instanceof ConfigError, `${JSON.stringify(options)}: ${error}`)
      t.match((error as Error).message, says)
    }
  }
})

t.test('a proxy that has neither backend nor director is still refused', async t => {
  t.throws(() => createProxy({}), ConfigError)
  const definition: BackendDefinition = defineBackend('127.0.0.1:1')
  await createProxy({ director: () => ({ backend: definition }), log: { level: 'silent' } }).close()
})
