/** `serve --workers`: what clients, operators and the log see of several processes. */
import { once } from 'node:events'
import http2, { type ClientHttp2Session } from 'node:http2'
import net from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { pino } from 'pino'
import t from 'tap'
import { resolveConfig } from '../../src/config/resolve.ts'
import { Primary } from '../../src/workers/primary.ts'
import { certificates } from '../support/certs.ts'
import { linesIn, metricsCollector } from '../support/metrics-collector.ts'
import { until } from '../support/until.ts'
import { backend, call, connect, connectionsOf, ended, pidsOf, serve } from './rig.ts'

/** The preface and an empty SETTINGS frame. */
const HELLO = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])])

t.test('8 connections on 4 workers are 2 each, and all of them are one proxy for operators', async t => {
  const { url } = await backend(t)
  const { ca, server } = await certificates()
  const gets = await metricsCollector(t)
  const yaml = `metrics: { otlp: { url: "${gets.url}" } }
listeners:
  - { address: 127.0.0.1:0 }
  - { address: "unix:FOLDER/proxy.sock" }
  - { address: "unix:FOLDER/tls.sock", tls: { cert: FOLDER/cert.pem, key: FOLDER/key.pem } }
backends: { greeter: { endpoints: ["${url}"] } }
workers: 4`
  const served = await serve(t, yaml, { files: { 'cert.pem': server.cert, 'key.pem': server.key } })
  const sessions: ClientHttp2Session[] = []
  for (let i = 0; i < 8; i++) sessions.push(await connect(t, served.address))
  t.same(await connectionsOf(served), [2, 2, 2, 2])

  const statuses = await Promise.all(sessions.flatMap(session => [call(session), call(session), call(session)]))
  t.same(new Set(statuses), new Set(['0']))
  const counted = await served.metrics('grpc_verbatim_calls_ended_total')
  t.same([...counted.values()], [24], 'calls are added up')
  const durations = await served.metrics('grpc_verbatim_call_duration_seconds_count')
  t.same([...durations.values()], [24], 'and so are histograms')
  const labels = [...(await served.metrics('process_resident_memory_bytes')).keys()]
  t.match(labels.join(), /worker="1".*worker="4".*worker="primary"/, 'what is of a process is told of each')

  const state = JSON.parse(await served.page('/state'))
  t.match(state, { counts: { clientConnections: 8 }, backends: [{ name: 'greeter', totals: { calls: 24 } }] })
  t.equal(state.backends[0].endpoints.length, 1)
  t.same(
    state.workers.map((one: { counts: { clientConnections: number } }) => one.counts.clientConnections),
    [2, 2, 2, 2],
  )

  t.match(JSON.parse(await served.page('/state?worker=2')), { counts: { clientConnections: 2 } })
  t.match(await served.page('/state?worker=5'), 'there is no such worker')
  t.match(JSON.parse(await served.page('/profile?worker=3&seconds=0')), { nodes: [] })
  t.match(JSON.parse(await served.page('/heap?worker=1&seconds=0')), { head: {} })

  // One at a time is what makes them even; bytes that came before a worker had the connection are its first.
  const early = net.connect(`${served.folder}/proxy.sock`)
  early.write(HELLO)
  const [answer] = await once(early, 'data')
  t.equal(answer[3], 4, 'a unix socket is served too: SETTINGS come')
  early.destroy()
  const secure = http2.connect('https://localhost', {
    ca: ca.cert,
    createConnection: () =>
      tls.connect({ path: `${served.folder}/tls.sock`, servername: 'localhost', ca: ca.cert, ALPNProtocols: ['h2'] }),
  })
  t.teardown(() => secure.destroy())
  t.equal(await call(secure), '0', 'TLS begins at the worker')
  t.equal(await call(secure, 'no path'), '12')
  for (const session of sessions) await call(session, 'no path')
  const { failures } = JSON.parse(await served.page('/state'))
  t.match(
    failures,
    [{ times: 8 }, { times: 1 }],
    'the same failure is one, whichever worker had it; of another client not',
  )
  t.equal(failures.length, 2)
  secure.destroy()
  const pids = await pidsOf(served)
  // Ctrl-C in a terminal goes to all of them.
  for (const pid of pids) process.kill(pid, 'SIGINT')
  t.equal(await call(sessions[0]!), '0', 'workers do not care')
  served.proxy.child.kill('SIGINT')
  t.match(await served.proxy.exit, { code: 0, stderr: '' })
  await ended(...pids)
  const records = served.lines().filter(({ msg }) => msg === 'call')
  t.equal(records.length, 35, 'whole lines of the log')
  t.same(new Set(records.map(({ worker }) => worker)), new Set([1, 2, 3, 4]), 'that say whose they are')
  t.equal(gets.requests.length, 1, 'the primary sends metrics, once')
  const lines = [...linesIn(gets.requests[0]!.body)]
  const sum = (name: string) => lines.reduce((sum, [line, value]) => sum + (line.startsWith(name) ? value : 0), 0)
  t.equal(sum('grpc_verbatim_calls_ended_total{'), 35, 'of all workers, with what they counted last')
  t.equal(sum('grpc_verbatim_call_duration_seconds_count{'), 35)
  t.match(lines.map(([line]) => line).join(), /process_cpu_seconds_total\{worker="4"\}/)
})

t.test('a worker that is killed under load costs the calls that were on it, and another takes its place', async t => {
  const { url } = await backend(t)
  const yaml = `listeners: [{ address: 127.0.0.1:0 }]
backends: { greeter: { endpoints: ["${url}"] } }
log: { access: false }
workers: 2`
  const served = await serve(t, yaml)
  const sessions: ClientHttp2Session[] = []
  for (let i = 0; i < 6; i++) sessions.push(await connect(t, served.address))
  const [victim, other] = await pidsOf(served)
  let stopped = false
  const ends: string[][] = sessions.map(() => [])
  const load = sessions.flatMap((session, i) =>
    [1, 2].map(async () => {
      while (!stopped && !session.destroyed) ends[i]!.push(await call(session))
    }),
  )
  const made = () => ends.flat().length
  await until('there is load', () => made() > 1_000)
  process.kill(victim!, 'SIGKILL')
  await until('its connections are gone', () => sessions.filter(session => session.destroyed).length === 3)
  const before = made()
  await until('the load goes on', () => made() > before + 1_000)
  stopped = true
  await Promise.all(load)
  const lost = sessions.map((_, i) => ends[i]!.filter(end => end !== '0').length)
  const of = (isGone: boolean) => lost.filter((_, i) => sessions[i]!.destroyed === isGone)
  t.same(of(false), [0, 0, 0], 'no call of other workers was lost')
  t.ok(
    of(true).every(calls => calls <= 2),
    `of the others those in flight: ${lost}`,
  )

  await served.ready(1)
  const next: ClientHttp2Session[] = []
  for (let i = 0; i < 3; i++) next.push(await connect(t, served.address))
  t.same(await connectionsOf(served), [3, 3], 'the new one gets what comes until it has as many')
  t.same(new Set(await Promise.all(next.map(session => call(session)))), new Set(['0']))
  const sum = [...(await served.metrics('grpc_verbatim_calls_ended_total')).values()].reduce((a, b) => a + b, 0)
  t.ok(sum > 0 && sum <= made() + 3, 'what is counted does not count twice')

  // The primary is gone without a word: the workers finish what they have, and end.
  const pids = await pidsOf(served)
  t.ok(pids.includes(other!))
  served.proxy.child.kill('SIGKILL')
  await ended(...pids)
})

t.test('a reload holds in all workers or in none', async t => {
  const { url } = await backend(t)
  const file = (more: string) => `listeners: [{ address: 127.0.0.1:0 }]
backends: { greeter: { endpoints: ["${url}"] } }
workers: 2
log: { access: false }
${more}`
  const { server } = await certificates()
  const served = await serve(t, file(''), { files: { 'cert.pem': server.cert, 'key.pem': server.key } })
  const sessions = [await connect(t, served.address), await connect(t, served.address)]
  t.same(await Promise.all(sessions.map(session => call(session))), ['0', '0'])

  served.write(file('routes: [{ match: { service: x.Y }, backend: greeter }]'))
  t.match(JSON.parse(await served.page('/reload', 'POST')), { kind: 'applied' })
  t.same(await Promise.all(sessions.map(session => call(session))), ['12', '12'], 'no route is left for it, in both')

  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as net.AddressInfo
  served.write(
    file('').replace('[{ address: 127.0.0.1:0 }]', `[{ address: 127.0.0.1:0 }, { address: 127.0.0.1:${port} }]`),
  )
  const verdict = JSON.parse(await served.page('/reload', 'POST'))
  t.match(verdict, { kind: 'rejected', problems: [{ message: /the address is in use/ }] })
  t.same(await Promise.all(sessions.map(session => call(session))), ['12', '12'], 'nothing has changed in either')

  // This one each worker refuses: what a listener is cannot change.
  served.write(file('').replace('127.0.0.1:0 }', '127.0.0.1:0, tls: { cert: FOLDER/cert.pem, key: FOLDER/key.pem } }'))
  const refused = JSON.parse(await served.page('/reload', 'POST'))
  t.match(refused, { kind: 'rejected', problems: [{ message: /whether it has TLS cannot change/ }] })
  t.same(await Promise.all(sessions.map(session => call(session))), ['12', '12'], 'nor now')

  const reloads = await served.metrics('grpc_verbatim_configuration_')
  t.match(
    Object.fromEntries([...reloads].map(([name, value]) => [name.slice('grpc_verbatim_configuration_'.length), value])),
    {
      version: 2,
      'reloads_total{verdict="applied"}': 1,
      'reloads_total{verdict="rejected"}': 2,
      last_reload_successful: 0,
    },
  )

  const [victim] = await pidsOf(served)
  process.kill(victim!, 'SIGKILL')
  await served.proxy.output(/worker 1 was ended by SIGKILL/)
  await served.ready(1)
  const late = await connect(t, served.address)
  t.equal(await call(late), '12', 'a worker that is started later has the last good one')
  t.same(await connectionsOf(served), [1, 1])

  const held = call(late, '/a.B/Hold')
  served.write(file(''))
  t.match(JSON.parse(await served.page('/reload', 'POST')), { kind: 'applied' })
  t.equal(await held, '12')
  t.equal(await call(late), '0')

  // A worker that dies in the drain is not what a drain should be, and the exit code says so.
  const inDrain = call(late, '/a.B/Hold')
  const [holder, other] = await pidsOf(served)
  served.proxy.child.kill('SIGTERM')
  await ended(other!)
  process.kill(holder!, 'SIGKILL')
  t.equal((await served.proxy.exit).code, 1)
  t.equal(await inDrain, 'lost')
})

t.test('a worker that stands still is replaced; of what comes meanwhile one connection is lost at most', async t => {
  const { url } = await backend(t)
  const yaml = `listeners: [{ address: 127.0.0.1:0 }]
backends: { greeter: { endpoints: ["${url}"] } }
workers: 2`
  const served = await serve(t, yaml, { program: join(import.meta.dirname, 'impatient.ts') })
  const [victim] = await pidsOf(served)
  process.kill(victim!, 'SIGSTOP')
  const meanwhile = Array.from({ length: 8 }, () => http2.connect(`http://${served.address}`))
  const answered = meanwhile.map(session => {
    t.teardown(() => session.destroy())
    return new Promise<boolean>(resolve => {
      session.on('remoteSettings', () => resolve(true))
      session.on('error', () => {})
      session.on('close', () => resolve(false))
    })
  })
  t.ok((await served.metrics('grpc_verbatim_worker_ready')).size > 0, 'operators do not wait for it either')
  await served.proxy.output(/worker 1 does not answer: it is ended/)
  await ended(victim!)
  t.ok(
    (await Promise.all(answered)).filter(Boolean).length >= 7,
    'those that were not on their way to it are served by others',
  )
  const late = await connect(t, served.address)
  t.equal(await call(late), '0')
  // This program has no handler: its workers see that it is gone.
  const pids = await pidsOf(served)
  served.proxy.child.kill('SIGTERM')
  await ended(...pids)
})

t.test('a second signal ends the workers too', async t => {
  const { url } = await backend(t)
  const served = await serve(
    t,
    `listeners: [{ address: 127.0.0.1:0 }]
backends: { greeter: { endpoints: ["${url}"] } }
workers: 1`,
  )
  const session = await connect(t, served.address)
  const held = call(session, '/a.B/Hold')
  const pids = await pidsOf(served)
  served.proxy.child.kill('SIGTERM')
  await served.proxy.output(/"draining"/)
  served.proxy.child.kill('SIGTERM')
  t.equal((await served.proxy.exit).code, 143)
  await ended(...pids)
  t.equal(await held, 'lost')
})

t.test('where no worker can be started the proxy says why, and does not begin', async t => {
  const logger = pino({ level: 'silent' })
  const options = {
    listeners: [{ address: '127.0.0.1:0' }],
    backends: { a: { endpoints: ['127.0.0.1:1'] } },
    workers: 2,
    logger,
  }
  const primary = new Primary(resolveConfig(options), { execArgv: ['--no-such-option'] })
  await t.rejects(primary.start(), {
    name: 'ConfigError',
    message: /^workers: none of them can be started: worker . ended with 9/,
  })
})
