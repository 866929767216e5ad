/** What keeps a proxy of several processes from serving, and what operators can do about it. */
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CLI, type Exit, type Running, startNode } from '../cli/run.ts'
import { certificates } from '../support/certs.ts'
import { until } from '../support/until.ts'
import { backend, call, connect, ended, eventually, pidsOf, serve } from './rig.ts'

const NOTHING = { added: [], updated: [], removed: [] }

t.test('workers that cannot live do not keep the configuration from being mended', async t => {
  const { url } = await backend(t)
  const yaml = (more: string) => `listeners: [{ address: 127.0.0.1:0 }]
backends: { greeter: { endpoints: ["${url}"] } }
workers: 2
${more}`
  const served = await serve(t, yaml(''), { program: join(import.meta.dirname, 'poisoned.ts') })
  const pids = await pidsOf(served)
  writeFileSync(join(served.folder, 'poison'), '')
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  // Those that are started again end at once.
  await eventually('none serves', async () => {
    const ready = await served.metrics('grpc_verbatim_worker_ready')
    return ![...ready.values()].includes(1)
  })
  served.write(
    yaml('routes: [{ match: { service: new.Service }, backend: greeter }]').replace('workers: 2', 'workers: 3'),
  )
  t.strictSame(JSON.parse(await served.page('/reload', 'POST')), {
    kind: 'applied',
    summary: { listeners: NOTHING, backends: NOTHING, needsRestart: ['workers'] },
  })
  rmSync(join(served.folder, 'poison'))
  const late = await connect(t, served.address)
  t.equal(await call(late, '/new.Service/C'), '0', 'who lives again has it')
  t.equal(await call(late), '12')
  const others = await pidsOf(served)
  served.proxy.child.kill('SIGTERM')
  await ended(...others)
})

/** Everything that could keep a process from ending: an admin address, files that are watched, keys that are replaced. */
async function configuration(t: Test, port: number): Promise<string> {
  const { server } = await certificates()
  const folder = t.testdir({ 'cert.pem': server.cert, 'key.pem': server.key })
  const config = {
    listeners: [{ address: `127.0.0.1:${port}`, tls: { cert: 'cert.pem', key: 'key.pem' } }],
    backends: { main: { endpoints: ['127.0.0.1:1'] } },
    admin: { address: '127.0.0.1:0' },
    metrics: { otlp: { url: 'http://127.0.0.1:1' } },
    workers: 2,
  }
  writeFileSync(join(folder, 'proxy.yaml'), JSON.stringify(config))
  return join(folder, 'proxy.yaml')
}

async function endOf({ child, exit }: Running): Promise<Exit> {
  await until('the process ends', () => child.exitCode !== null || child.signalCode !== null)
  return exit
}

t.test('an address that cannot be had: the process says so, and ends', async t => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const config = await configuration(t, (taken.address() as AddressInfo).port)
  const { code, stderr } = await endOf(startNode(t, CLI, 'serve', '--config', config))
  t.equal(code, 1)
  t.match(stderr, /^grpc-verbatim: cannot listen on 127\.0\.0\.1:\d+: the address is in use/)
})

t.test('no worker can be started: the process says so, and ends', async t => {
  const config = await configuration(t, 0)
  const ofWorkers = `data:text/javascript,${encodeURIComponent('if (process.send) process.exit(9)')}`
  const { code, stderr } = await endOf(startNode(t, '--import', ofWorkers, CLI, 'serve', '--config', config))
  t.equal(code, 1)
  t.match(stderr, /workers: none of them can be started: worker \d ended with 9/)
})
