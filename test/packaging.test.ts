/** What is in packaging/: each file by its own tool where that is there, and against the proxy that it is made for. */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { FAILURES } from '../src/call/failure-table.ts'
import { loadConfig } from '../src/config/load.ts'
import { Status } from '../src/grpc/status.ts'
import { createProxy } from '../src/index.ts'
import { ask, client, server } from './proxy/change-rig.ts'

const FOLDER = path.join(import.meta.dirname, '../packaging')
const read = (file: string) => readFileSync(path.join(FOLDER, file), 'utf8')

/** @returns why not, where the program is not on this machine */
function without(program: string, ...probe: string[]): string | false {
  return spawnSync(program, probe).status === 0 ? false : `${program} is not on this machine`
}

function run(program: string, ...args: string[]): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: FOLDER, encoding: 'utf8' })
  return { code: status, output: stdout + stderr }
}

t.test('the configurations are right, and all files are what their names say', async t => {
  for (const file of ['docker/proxy.yaml', 'kubernetes/proxy.yaml']) {
    t.same(loadConfig(path.join(FOLDER, file)).warnings, [], file)
  }
  for (const file of globSync('**/*.yaml', { cwd: FOLDER }))
    t.doesNotThrow(() => parse(read(file), { merge: true }), file)
  t.doesNotThrow(() => JSON.parse(read('grafana/dashboard.json')))
})

t.test('alerts and dashboard ask for metrics that there are, and for values that these have', async t => {
  const one = await server(t, 'one')
  const proxy = createProxy({
    listeners: [{ address: '127.0.0.1:0' }],
    metrics: true,
    backends: { main: { endpoints: [one.url] }, gone: { endpoints: ['127.0.0.1:1'] } },
    routes: [{ match: { metadata: { 'x-to': 'gone' } }, backend: 'gone' }, { backend: 'main' }],
    log: { level: 'silent' },
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  await ask(client(t, bound!.address))
  // What has no sample yet is named in the documents.
  const known = proxy.metrics() + readFileSync(path.join(FOLDER, '../docs/metrics.md'), 'utf8')
  for (const file of ['prometheus/alerts.yaml', 'prometheus/alerts.test.yaml', 'grafana/dashboard.json']) {
    const asked = new Set(read(file).match(/\b(?:grpc_verbatim|nodejs|process)_[a-z_]+/g))
    t.ok(asked.size > 5, file)
    for (const name of asked) t.ok(known.includes(name.replace(/_bucket$/, '')), `${name} of ${file}`)
  }
  const alerts = read('prometheus/alerts.yaml')
  for (const [, reasons] of alerts.matchAll(/reason=~"([^"]*)"/g)) {
    for (const reason of reasons!.split('|')) t.ok(reason in FAILURES, reason)
  }
  for (const [, statuses] of alerts.matchAll(/status=~"([^"]*)"/g)) {
    for (const status of statuses!.split('|')) t.ok(status in Status || status === 'none', status)
  }
})

t.test(
  'promtool: the rules are right, and fire when they should',
  { skip: without('promtool', '--version') },
  async t => {
    t.match(run('promtool', 'check', 'rules', 'prometheus/alerts.yaml'), { code: 0 })
    t.match(run('promtool', 'test', 'rules', 'prometheus/alerts.test.yaml'), { code: 0 })
  },
)

t.test(
  'systemd: the unit is right, and gives the process little',
  { skip: without('systemd-analyze', '--version') },
  async t => {
    const { output } = run('systemd-analyze', 'verify', 'systemd/grpc-verbatim.service')
    const wrong = output
      .split('\n')
      .filter(line => line !== '' && !line.includes('/usr/bin/grpc-verbatim is not executable'))
    t.same(wrong, [])
    const exposure = run('systemd-analyze', 'security', '--offline=true', 'systemd/grpc-verbatim.service').output
    t.match(exposure, /Overall exposure level for .*: [01]\.\d OK/)
  },
)

t.test('kubectl: the base can be built', { skip: without('kubectl', 'version', '--client') }, async t => {
  const { code, output } = run('kubectl', 'kustomize', 'kubernetes')
  t.equal(code, 0, output)
  t.match(output, /kind: PodDisruptionBudget/)
  t.match(output, /selector:\s*matchLabels:\s*app\.kubernetes\.io\/name: grpc-verbatim/)
})

t.test('hadolint finds nothing in the Dockerfile', { skip: without('hadolint', '--version') }, async t => {
  t.same(run('hadolint', 'docker/Dockerfile'), { code: 0, output: '' })
})

t.test('the image has what the program needs, and its health check is a program', async t => {
  const file = read('docker/Dockerfile')
  const sources = [...file.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) => names!.split(' '))
  for (const source of sources) t.ok(globSync(source, { cwd: path.join(FOLDER, '..') }).length > 0, source)
  const [, script] = /"-e", "(.*)"\]/.exec(file)!
  const { status } = spawnSync(process.execPath, ['-e', script!.replace('9901', '1')])
  t.equal(status, 1, 'nobody answers')
})
