/** A file that is read again while the proxy runs: what becomes of it, and what calls notice. */
import { writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import pino from 'pino'
import t, { type Test } from 'tap'
import { ConfiguredProxy } from '../../src/config/configured-proxy.ts'
import { loadConfig } from '../../src/config/load.ts'
import { type ReadConfig, Reloader } from '../../src/config/reload.ts'
import { systemClock } from '../../src/transport/clock.ts'
import { ask, client, server } from '../proxy/change-rig.ts'
import { certificates } from '../support/certs.ts'
import { until } from '../support/until.ts'

/** A proxy that serves a file, and what it logged. @param quiet it has a log of its own, which the file makes silent */
async function scene(t: Test, text: string, others: Readonly<Record<string, string>> = {}, quiet = false) {
  const folder = t.testdir({ 'proxy.yaml': text, ...others })
  const file = join(folder, 'proxy.yaml')
  const said: string[] = []
  const write = (line: string) => void said.push(JSON.parse(line).msg.replaceAll(`${folder}/`, ''))
  const log = pino({ level: 'info' }, { write })
  const files = new Set<string>()
  const read: ReadConfig = (files, before) => {
    const resolution = loadConfig(file, files, before)
    return quiet ? resolution : { ...resolution, config: { ...resolution.config, logger: log } }
  }
  const proxy = new ConfiguredProxy(read(files))
  t.teardown(() => proxy.close())
  const started = proxy.start()
  const reloader = new Reloader(proxy, { file, read, log: proxy.log, started })
  t.teardown(() => reloader.close())
  const [bound] = await started
  said.length = 0
  const rewrite = (text: string, name = 'proxy.yaml') => writeFileSync(join(folder, name), text)
  return { proxy, reloader, said, write: rewrite, files, address: bound!.address }
}

const to = (url: string, more = '') =>
  `listeners: [{ address: 127.0.0.1:0 }]\nbackends: { main: { endpoints: ["${url}"] } }\n${more}`

t.test('what is right replaces what is in force, and a file that says the same changes nothing', async t => {
  const [one, other] = [await server(t, 'one'), await server(t, 'other')]
  const { reloader, write, said, address } = await scene(t, to(one.url))
  const by = client(t, address)
  t.equal(await ask(by), 'one')
  write(`# a comment\n${to(one.url)}`)
  t.same(await reloader.reload('SIGHUP'), { kind: 'unchanged' })
  write(to(other.url))
  t.match(await reloader.reload('SIGHUP'), { kind: 'applied', summary: { backends: { updated: ['main'] } } })
  t.equal(await ask(by), 'other', 'on the same connection')
  const lines = said.filter(line => line !== 'call')
  t.same(lines, ['proxy.yaml is what is in force already', 'the configuration has changed', 'proxy.yaml is in force'])
})

t.test('what holds from the next start only is said', async t => {
  const one = await server(t, 'one')
  const { reloader, write, said } = await scene(t, to(one.url))
  write(to(one.url, 'workers: 2\nlog: { maxBufferedBytes: 100000 }'))
  t.match(await reloader.reload('SIGHUP'), { summary: { needsRestart: ['log.maxBufferedBytes', 'workers'] } })
  const later = (option: string) => `what proxy.yaml says of ${option} holds from the next start`
  t.same(said, [
    ...['the configuration has changed', 'proxy.yaml is in force'],
    ...[later('log.maxBufferedBytes'), later('workers')],
  ])
})

t.test('what is wrong changes nothing, and each mistake is told with its place', async t => {
  const one = await server(t, 'one')
  const { reloader, write, said, address } = await scene(t, to(one.url))
  write(`listeners: [{ adress: 127.0.0.1:0 }]\nbackends: { main: { endpoints: ["${one.url}"], balancer: dice } }\n`)
  t.match(await reloader.reload('SIGHUP'), { kind: 'rejected', problems: [{ line: 1 }, { line: 1 }, { line: 2 }] })
  t.match(said, [
    /^proxy\.yaml:1:\d+ listeners\[0\]\.address: /,
    /^proxy\.yaml:1:\d+ listeners\[0\]\.adress: unknown key, did you mean "address"\?/,
    /^proxy\.yaml:2:\d+ backends\.main\.balancer: /,
    'proxy.yaml is not used: the proxy goes on with the configuration that it has',
  ])
  t.equal(await ask(client(t, address)), 'one')
})

t.test('an address that is taken, and what cannot change: rejected with a sentence', async t => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => taken.once('listening', resolve))
  t.teardown(() => taken.close())
  const { port } = taken.address() as net.AddressInfo
  const one = await server(t, 'one')
  const { ca, server: identity } = await certificates()
  const tls = (cert: string) => ({ 'server.pem': cert, 'server.key': identity.key })
  const { reloader, write, address } = await scene(t, to(one.url), tls(identity.cert))
  write(to(one.url).replace(':0 }', `:0 }, { address: 127.0.0.1:${port} }`))
  const { problems } = (await reloader.reload('SIGHUP')) as { problems: readonly { message: string }[] }
  t.equal(
    problems[0]?.message,
    `cannot listen on 127.0.0.1:${port}: the address is in use, by another process or another listener (EADDRINUSE)`,
  )
  write(to(one.url).replace(':0 }', ':0, tls: { cert: server.pem, key: server.key } }'))
  t.match(await reloader.reload('SIGHUP'), {
    kind: 'rejected',
    problems: [{ message: /whether it has TLS cannot change/ }],
  })
  t.ok(ca.cert.length > 0)
  t.equal(await ask(client(t, address)), 'one')
})

t.test('many who ask at once get one more reload, of what the file holds then', async t => {
  const one = await server(t, 'one')
  const { reloader, write, said, proxy } = await scene(t, to(one.url))
  write(to(one.url, 'drain: { graceMs: 1 }\n'))
  const first = reloader.reload('SIGHUP')
  await Promise.resolve()
  const rest = Array.from({ length: 50 }, () => reloader.reload('SIGHUP'))
  write(to(one.url, 'drain: { graceMs: 2 }\n'))
  t.equal((await first).kind === 'rejected', false)
  await Promise.all(rest)
  t.equal(proxy.setup.drain.graceMs, 2)
  t.ok(said.filter(line => line === 'proxy.yaml is in force').length <= 2, String(said))
})

t.test('the level of the log follows the file', async t => {
  const one = await server(t, 'one')
  const { reloader, write, proxy } = await scene(t, to(one.url, 'log: { level: silent }\n'), {}, true)
  write(to(one.url, 'log: { level: fatal }\n'))
  await reloader.reload('SIGHUP')
  t.equal(proxy.log.level, 'fatal')
})

t.test('watched: a new file, a mistake in it, the file mended, and another certificate', async t => {
  const one = await server(t, 'one')
  const { server: first, client: second } = await certificates()
  const withTls = (more = '') => to(one.url, more).replace(':0 }', ':0, tls: { cert: server.pem, key: server.key } }')
  const { reloader, write, said, files, proxy } = await scene(t, withTls(), {
    'server.pem': first.cert,
    'server.key': first.key,
  })
  reloader.watch(systemClock, files)
  const says = (line: RegExp) =>
    until(
      String(line),
      () => said.some(each => line.test(each)),
      () => said.join('\n'),
    )
  write(withTls('drain: { graceMs: 7 }\n'))
  await says(/^proxy\.yaml is in force$/)
  t.equal(proxy.setup.drain.graceMs, 7)
  write('listeners: [')
  await says(/is not used/)
  said.length = 0
  write(withTls('drain: { graceMs: 7 }\n'))
  await says(/^proxy\.yaml is what is in force already$/)
  said.length = 0
  write(second.cert, 'server.pem')
  await says(/server\.key does not belong to the certificate server\.pem/)
  write(second.key, 'server.key')
  await says(/^files of certificates have changed, and are used for new connections$/)
  t.equal(String(proxy.setup.listeners[0]!.tls!.cert), second.cert)
})
