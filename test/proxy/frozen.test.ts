/** One of two real backends stands still (SIGSTOP): its system goes on to answer TCP, and takes what is sent. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { PATH, requestFields, running } from '../contract/rig.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Received } from '../support/received.ts'

/** Answers at once, but under /Silent not at all. */
const BACKEND = `
const server = require('node:http2').createServer()
server.on('stream', (stream, headers) => {
  stream.on('error', () => {})
  if (headers[':path'].endsWith('/Silent')) return
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-pid': String(process.pid), 'grpc-status': '0' }, { endStream: true })
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))`

interface Backend {
  readonly child: ChildProcess
  readonly url: string
}

async function backend(t: Test): Promise<Backend> {
  const child = spawn(process.execPath, ['-e', BACKEND], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [port] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  return { child, url: `http://127.0.0.1:${port}` }
}

const KEEPALIVE = { intervalMs: 1_000, timeoutMs: 1_000 }
const CALLS = 6

function fieldOf(item: Received | undefined, name: string): string | undefined {
  return item?.kind === 'headers' ? item.fields.find(field => field.name === name)?.value : undefined
}

t.jobs = 2
for (const transport of ['frames', 'native'] as const) {
  t.test(
    `${transport}: its calls end, those of the other go on, and new ones are served`,
    { timeout: PATIENCE_MS },
    async t => {
      const backends = await Promise.all([backend(t), backend(t)])
      const endpoints = backends.map(({ url }) => url)
      const pairing = { name: '', downstream: transport, upstream: transport }
      const { port, proxy } = await running(t, pairing, {
        backends: { main: { endpoints, transport, keepalive: KEEPALIVE } },
      })
      const client = await RawClient.connect(t, port)
      const call = (path = PATH) => client.request(requestFields([], path), { endStream: true })
      const silent = Array.from({ length: CALLS }, () => call('/pkg.Service/Silent'))
      // In turn: each has half of them.
      const pids = new Set<string | undefined>()
      for (let i = 0; i < 4; i++) pids.add(fieldOf((await client.ended(call()))[0], 'x-pid'))
      t.equal(pids.size, 2)

      const [frozen, other] = backends
      frozen!.child.kill('SIGSTOP')
      t.teardown(() => frozen!.child.kill('SIGCONT'))
      const ended = new Set<number>()
      while (ended.size < CALLS / 2) {
        const item = await client.next('headers', ({ streamId }) => silent.includes(streamId))
        t.equal(fieldOf(item, 'grpc-status'), '14')
        t.equal(fieldOf(item, 'x-grpc-verbatim-error'), 'upstream-lost')
        ended.add(item.streamId)
      }
      for (let i = 0; i < 10; i++) {
        const [item] = await client.ended(call())
        t.equal(fieldOf(item, 'x-pid'), String(other!.child.pid))
      }
      t.equal(proxy.counts().backendStreams, CALLS / 2, 'the silent calls of the other')
      const left = silent.filter(id => !ended.has(id))
      t.notOk(client.log.some(item => left.includes(item.streamId) && item.kind !== 'windowUpdate'))
    },
  )
}
