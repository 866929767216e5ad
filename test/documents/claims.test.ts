/** What the documents say and no other test shows. */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import tls from 'node:tls'
import pino from 'pino'
import t, { type Test } from 'tap'
import { configSchema } from '../../src/config/schema.ts'
import { createProxy } from '../../src/index.ts'
import { PROTOCOL_TOKENS } from '../../src/wire/index.ts'
import { served } from '../abuse/scene.ts'
import { answer, answered, arrived, field, goesOn, requestFields, rig } from '../contract/rig.ts'
import { PAIRING } from '../proxy/rig.ts'
import { certificates } from '../support/certs.ts'
import { Code } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { closing } from '../support/teardown.ts'
import { until } from '../support/until.ts'

const ROOT = path.join(import.meta.dirname, '../..')
const textOf = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8')
const SOURCES = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(name =>
  name.endsWith('.ts'),
)

/** A logger that keeps its lines. */
function kept(): { logger: pino.Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  return { logger: pino({ level: 'debug' }, { write: (text: string) => lines.push(JSON.parse(text)) }), lines }
}

/** The cells of the rows of the first table in a section. */
function rowsOf(page: string, heading: string): string[][] {
  const section = `\n${textOf(page)}`.split(`\n${heading}\n`)[1]!.split('\n## ')[0]!
  const rows = section.split('\n').filter(line => line.startsWith('| '))
  return rows.slice(1).map(row =>
    row
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

const replaced = (name: string, value: string) =>
  requestFields().map(field => (field[0] === name ? ([name, value] as const) : field))

const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)

t.test('README: no gRPC library at run time, and no protobuf outside of demo and bench', async t => {
  const { dependencies } = JSON.parse(textOf('package.json'))
  t.notOk(Object.keys(dependencies).some(name => name.startsWith('@grpc/') || name.startsWith('@connectrpc/')))
  const users = SOURCES.filter(name => /from '(protobufjs|@bufbuild)|import\('protobufjs/.test(textOf(`src/${name}`)))
  t.ok(users.length > 0, 'they are found')
  t.same(
    users.filter(name => !/^(demo|bench)\//.test(name)),
    [],
  )
})

t.test('statuses: a malformed request is no call: no line for it, and a violation', async t => {
  const { logger, lines } = kept()
  const here = await rig(t, PAIRING, { proxy: { logger } })
  const id = here.client.request(requestFields([['x-value', 'a\0b']]), { endStream: true })
  t.match((await here.client.ended(id)).at(-1), { kind: 'rst', code: Code.PROTOCOL_ERROR })
  t.equal(here.proxy.violations()['field-value'], 1)
  await goesOn(t, here)
  await until('the calls after it have their lines', () => lines.some(({ msg }) => msg === 'call'))
  t.notOk(lines.some(({ reason }) => reason === 'field-value'))
  const calls = lines.filter(({ msg }) => msg === 'call').length
  t.equal(calls, here.backend.requests.length, 'as many lines as calls that reached the backend')
  t.match(
    lines.find(({ violation }) => violation === 'field-value'),
    { level: 20, msg: 'a peer broke a rule of HTTP/2' },
  )
})

t.test('statuses: a route with rewriteAuthority serves clients whose authority is not sent on', async t => {
  const routes = [{ backend: 'main', rewriteAuthority: 'api.example.com' }]
  const here = await rig(t, PAIRING, { proxy: { routes } })
  for (const authority of ['somebody@a.example', 'a/b', '']) {
    const fields = replaced(':authority', authority)
    const call = await arrived(here, here.client.request(fields, { endStream: true }))
    t.equal(field(call.headers, ':authority'), 'api.example.com', authority)
    answer(call)
    await answered(t, call)
  }
})

for (const how of ['a listener', 'a server of somebody else'] as const) {
  t.test(`embed, operate: on TLS without ALPN a client is refused: ${how}`, async t => {
    const { server: identity, ca } = await certificates()
    const { logger, lines } = kept()
    const proxy = createProxy({ backends: { main: { endpoints: ['127.0.0.1:1'] } }, logger })
    t.teardown(() => proxy.close())
    const port = how === 'a listener' ? (await proxy.listen({ port: 0, tls: identity })).port : await foreign(t, proxy)
    const client = closing(t, tls.connect({ port, host: '127.0.0.1', ca: ca.cert, servername: 'localhost' }))
    client.on('error', () => {})
    await once(client, 'secureConnect')
    client.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    await once(client, 'close')
    t.match(
      lines.find(({ msg }) => msg === 'connection refused'),
      { refusal: 'no-alpn', level: 30 },
    )
  })
}

async function foreign(t: Test, proxy: ReturnType<typeof createProxy>): Promise<number> {
  const { server: identity } = await certificates()
  const server = tls.createServer({ ...identity, ALPNProtocols: ['h2'] }, proxy.connection)
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

t.test('transports: what Node itself refuses on native is in no log, and the session goes on', async t => {
  const { logger, lines } = kept()
  const here = await rig(t, { ...PAIRING, downstream: 'native' }, { proxy: { logger } })
  const refused = {
    'a header list above the limit': [
      requestFields([
        ['x-large', 'v'.repeat(60_000)],
        ['x-more', 'v'.repeat(10_000)],
      ]),
      11,
    ],
    'a path without a slash at its beginning': [replaced(':path', 'pkg.Service/Method'), Code.PROTOCOL_ERROR],
    'host twice': [
      requestFields([
        ['host', 'a'],
        ['host', 'b'],
      ]),
      Code.PROTOCOL_ERROR,
    ],
  } as const
  for (const [what, [fields, code]] of Object.entries(refused)) {
    const id = here.client.request(fields, { endStream: true })
    t.match((await here.client.ended(id)).at(-1), { kind: 'rst', code }, what)
    await goesOn(t, here)
  }
  await here.proxy.drain(0)
  const calls = lines.filter(({ msg }) => msg === 'call').length
  t.equal(calls, here.backend.requests.length, 'as many lines as calls that reached the backend')
})

t.test('transports: on native nine CONTINUATION frames, or a string above 64 KiB, end the session', async t => {
  const values = (count: number, bytes: number) =>
    requestFields(Array.from({ length: count }, (_, i) => [`x-${i}`, 'v'.repeat(bytes)]))
  const endsSession = async (fields: ReturnType<typeof values>) => {
    const here = await rig(t, { ...PAIRING, downstream: 'native' })
    here.client.request(fields, { endStream: true })
    const goesOn = here.client.roundTrip().then(
      () => true,
      () => false,
    )
    await Promise.race([here.client.closed, goesOn])
    return !(await goesOn)
  }
  // In frames of 16 KiB: HEADERS and seven CONTINUATION, or nine.
  t.equal(await endsSession(values(4, 30_000)), false)
  t.equal(await endsSession(values(5, 30_000)), true)
  t.equal(await endsSession(values(1, 60_000)), false)
  t.equal(await endsSession(values(1, 70_000)), true)
})

t.test('embed: a listener of proxy.listen stays where the configuration changes', async t => {
  const [first, second] = [await RawServer.listen(t), await RawServer.listen(t)]
  const options = ({ url }: RawServer) => ({ backends: { main: { endpoints: [url] } } })
  const proxy = createProxy(options(first))
  t.teardown(() => proxy.close())
  const { port } = await proxy.listen({ port: 0 })
  await proxy.apply(options(second))
  await served(t, second, await RawClient.connect(t, port), '/pkg.Service/Method')
  t.equal(first.requests.length, 0)
})

t.test('src/README.md: calls and streams read the time through transport/clock.ts only', async t => {
  const clocks = /\b(setTimeout|setInterval|performance\.now|Date\.now)\(/
  const readers = SOURCES.map(name => name.replaceAll(path.sep, '/')).filter(
    name => /^(wire|grpc|transport|routing|backend|call)\//.test(name) && clocks.test(textOf(`src/${name}`)),
  )
  t.same(readers.toSorted(), [
    'transport/acceptor.ts',
    'transport/clock.ts',
    // The date of an exemplar.
    'transport/histogram.ts',
    'transport/native/client.ts',
    // Before anything is listened on.
    'transport/unix-socket.ts',
  ])
})

t.test('operate: the lines of the log are those that the source writes', async t => {
  const source = SOURCES.map(name => textOf(`src/${name}`)).join('\n')
  const rows = rowsOf('docs/operate.md', '### The log')
  t.ok(rows.length > 5)
  const named = textOf('docs/operate.md').split('Beside calls there are these lines:')[1]!.split('\n- **')[0]!
  for (const [, messages, level, when] of named.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \|$/gm)) {
    if (messages === 'message') continue
    for (const message of quoted(messages!)) {
      const words = message
        .replace(/^… /, '')
        .replace(/ …$/, '')
        .replace(/^endpoint /, '')
      t.ok(source.includes(words), `${message} (${level})`)
    }
    for (const token of quoted(when!)) t.ok(source.includes(`'${token}'`), token)
  }
})

t.test('abuse: each token and each limit of the table is one, and none is missing', async t => {
  const rows = rowsOf('docs/abuse.md', '# Limits against abuse')
  const limits = configSchema.shape.limits.unwrap().shape
  const floods = limits.floods.unwrap().shape
  const source = SOURCES.map(name => textOf(`src/${name}`)).join('\n')
  const told = new Set<string>()
  for (const [what, limit, token] of rows) {
    for (const name of quoted(limit!)) {
      const known = name.startsWith('floods.') ? name.slice(7) in floods : name in limits
      t.ok(known, `${what}: ${name}`)
    }
    for (const name of quoted(token!)) {
      t.ok(source.includes(`'${name}'`), `${what}: ${name}`)
      told.add(name)
    }
  }
  const ofLimits = Object.entries(PROTOCOL_TOKENS).filter(([, [, , source]]) => !source.startsWith('§'))
  t.same(
    // A bound of the reader that no option sets.
    ofLimits.map(([token]) => token).filter(token => !told.has(token) && token !== 'too-many-settings'),
    [],
  )
  for (const name of Object.keys(floods))
    t.ok(
      rows.some(([, limit]) => limit!.includes(`floods.${name}`)),
      name,
    )
})
