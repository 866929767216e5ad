import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { arrival } from '../support/arrival.ts'
import type { Scope } from '../support/teardown.ts'
import { CLI, type Running, run, start, startNode } from './run.ts'

const LISTENING = /listening on (127\.0\.0\.1:\d+)/

interface Setup {
  readonly proxy: Running
  readonly client: ClientHttp2Session
  /** A call that the backend has and does not answer. */
  readonly call: ClientHttp2Stream
  readonly atBackend: ServerHttp2Stream
}

/** A proxy process with one call in flight. */
async function withCall(t: Scope, ...args: string[]): Promise<Setup> {
  const backend = http2.createServer()
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  t.teardown(() => backend.close())
  backend.on('session', session => {
    t.teardown(() => session.destroy())
    session.on('error', () => {})
  })
  const url = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`
  const proxy = start(t, 'serve', '--listen', '127.0.0.1:0', '--backend', url, ...args)
  const [, address] = await proxy.output(LISTENING)

  const client = http2.connect(`http://${address}`)
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  const call = client.request({
    ':method': 'POST',
    ':path': '/a.B/C',
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  call.on('error', () => {})
  const [atBackend] = (await once(backend, 'stream')) as [ServerHttp2Stream]
  atBackend.on('error', () => {})
  return { proxy, client, call, atBackend }
}

t.test('it listens on a free port, logs the real address, and ends with 0 when told to', async t => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
    const proxy = start(t, 'serve', '--listen', '127.0.0.1:0', '--listen', '[::1]:0', '--backend', 'localhost:1')
    await proxy.output(LISTENING)
    await proxy.output(/listening on \[::1\]:[1-9]/)
    proxy.child.kill(signal)
    t.match(await proxy.exit, { code: 0, stderr: '' }, signal)
  }
})

t.test('a signal before it listens ends it with 0 all the same', async t => {
  const preload = encodeURIComponent(`
    import net from 'node:net'
    const { listen } = net.Server.prototype
    net.Server.prototype.listen = function (...args) {
      process.emit('SIGTERM')
      return listen.apply(this, args)
    }`)
  const args = ['serve', '--listen', '127.0.0.1:0', '--backend', 'localhost:1']
  const { code, stdout, stderr } = await startNode(t, '--import', `data:text/javascript,${preload}`, CLI, ...args).exit
  t.same([code, stderr], [0, ''])
  t.match(JSON.parse(stdout), { msg: 'draining' })
})

t.test('it listens on the transport that it was told, else on frames', async t => {
  const told = { frames: [], native: ['--transport', 'native'] }
  for (const [transport, args] of Object.entries(told)) {
    const proxy = start(t, 'serve', '--listen', '127.0.0.1:0', '--backend', 'localhost:1', ...args)
    const [line] = await proxy.output(/.*listening on.*\n/)
    t.equal(JSON.parse(line).transport, transport)
    proxy.child.kill('SIGTERM')
    t.equal((await proxy.exit).code, 0)
  }
})

t.test('it serves a configuration file', async t => {
  const file = join(import.meta.dirname, '../../fixtures/config/unreachable-route.yaml')
  const proxy = start(t, 'serve', '--config', file, '--log-level', 'debug')
  await proxy.output(LISTENING)
  await proxy.output(/routes\[1\]: is never reached/)
  proxy.child.kill('SIGTERM')
  t.equal((await proxy.exit).code, 0)
})

t.test('a busy port is a sentence', async t => {
  const busy = net.createServer().listen(0, '127.0.0.1')
  await once(busy, 'listening')
  t.teardown(() => busy.close())
  const address = `127.0.0.1:${(busy.address() as AddressInfo).port}`
  const { code, stderr } = await run(t, 'serve', '--listen', address, '--backend', 'localhost:1')
  t.match(stderr, `grpc-verbatim: cannot listen on ${address}: the address is in use`)
  t.notMatch(stderr, /^ {4}at /m, 'no stack')
  t.equal(code, 1)
})

t.test('an address of another machine is a sentence', async t => {
  const { code, stderr } = await run(t, 'serve', '--listen', '192.0.2.1:0', '--backend', 'localhost:1')
  t.match(stderr, /cannot listen on 192\.0\.2\.1(:0)?: this machine does not have the address/)
  t.equal(code, 1)
})

t.test('a signal drains: GOAWAY, the call in flight finishes, exit 0', async t => {
  const { proxy, client, call, atBackend } = await withCall(t)
  const goaway = once(client, 'goaway')
  proxy.child.kill('SIGTERM')
  t.equal((await goaway)[0], http2.constants.NGHTTP2_NO_ERROR)

  const trailers = arrival(call, 'trailers')
  call.resume().end()
  atBackend.on('wantTrailers', () => atBackend.sendTrailers({ 'grpc-status': '0' }))
  atBackend.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  atBackend.end('x')
  t.equal((await trailers)[0]['grpc-status'], '0')
  t.equal((await proxy.exit).code, 0)
})

t.test('a second signal ends at once', async t => {
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
  ] as const) {
    const { proxy, client } = await withCall(t)
    const goaway = once(client, 'goaway')
    proxy.child.kill('SIGTERM')
    await goaway
    proxy.child.kill(signal)
    t.equal((await proxy.exit).code, code, signal)
  }
})

t.test('signals without a meaning here are told in the log and end nothing; no inspector is opened', async t => {
  const { proxy, call, atBackend } = await withCall(t)
  for (const signal of ['SIGHUP', 'SIGUSR1'] as const) {
    proxy.child.kill(signal)
    const [line] = await proxy.output(new RegExp(`.*"${signal} is ignored: .*\n`))
    t.match(JSON.parse(line), { level: 40, signal })
  }
  t.match(await run(t, 'serve', '--watch', '--listen', '127.0.0.1:0', '--backend', 'localhost:1'), {
    code: 2,
    stderr: /--watch needs --config FILE/,
  })
  const trailers = arrival(call, 'trailers')
  call.resume().end()
  atBackend.on('wantTrailers', () => atBackend.sendTrailers({ 'grpc-status': '0' }))
  atBackend.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  atBackend.end('x')
  t.equal((await trailers)[0]['grpc-status'], '0')
  proxy.child.kill('SIGTERM')
  t.match(await proxy.exit, { code: 0, stderr: /^$/ })
})

t.test('SIGHUP reads the file again, and --watch notices that it is another', async t => {
  const text = (graceMs: number) =>
    `listeners: [{ address: 127.0.0.1:0 }]\nbackends: { a: { endpoints: [localhost:1] } }\ndrain: { graceMs: ${graceMs} }\n`
  for (const args of [[], ['--watch']]) {
    const config = join(t.testdir({ 'proxy.yaml': text(1) }), 'proxy.yaml')
    const proxy = start(t, 'serve', '--config', config, ...args)
    await proxy.output(LISTENING)
    writeFileSync(config, text(2))
    if (args.length === 0) proxy.child.kill('SIGHUP')
    await proxy.output(/proxy\.yaml is in force"/)
    writeFileSync(config, 'listeners: 7\n')
    if (args.length === 0) proxy.child.kill('SIGHUP')
    await proxy.output(/proxy\.yaml:1:\d+ listeners: .*\n.*is not used: the proxy goes on/s)
    proxy.child.kill('SIGTERM')
    await proxy.output(/"graceMs":2/)
    t.match(await proxy.exit, { code: 0, stderr: '' })
  }
})
