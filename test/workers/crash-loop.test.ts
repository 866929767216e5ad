/** Workers that end whenever they are started: what operators can do about it without a restart. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { backend, call, connect, ended, eventually, pidsOf, serve } from './rig.ts'

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
  served.write(yaml('routes: [{ match: { service: new.Service }, backend: greeter }]'))
  const verdict = JSON.parse(await served.page('/reload', 'POST'))
  t.match(verdict, { kind: 'applied', summary: { listeners: { updated: [] }, backends: { updated: [] } } })
  rmSync(join(served.folder, 'poison'))
  const late = await connect(t, served.address)
  t.equal(await call(late, '/new.Service/C'), '0', 'who lives again has it')
  t.equal(await call(late), '12')
  const others = await pidsOf(served)
  served.proxy.child.kill('SIGTERM')
  await ended(...others)
})
