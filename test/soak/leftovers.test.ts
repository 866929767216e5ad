/** After many calls and their end nothing is left: no stream, timer or listener, and the memory is back. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createProxy, type GrpcProxy } from '../../src/index.ts'
import { until } from '../support/until.ts'
import { WHOLE } from '../support/whole.ts'

/** The quick suite has fewer, and sees only what leaks more of each. */
const CALLS = WHOLE ? 100_000 : 20_000
/** What the heap may keep above its start: caches of Node and V8, not of calls (100,000 calls leaking 100 bytes each are 10 MB). */
const HEAP_ALLOWANCE_BYTES = 8 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapBytes(): number {
  collectGarbage()
  collectGarbage()
  return process.memoryUsage().heapUsed
}

function openCounts(proxy: GrpcProxy) {
  const { calls, clientSessions, clientConnections, waitingCalls, backendStreams, timers } = proxy.counts()
  return { calls, clientSessions, clientConnections, waitingCalls, backendStreams, timers }
}

const NOTHING = { calls: 0, clientSessions: 0, clientConnections: 0, waitingCalls: 0, backendStreams: 0, timers: 0 }

t.test(`${CALLS} calls leave nothing behind`, async t => {
  const child = fork(fileURLToPath(new URL('load-process.ts', import.meta.url)))
  t.teardown(() => child.disconnect())
  const [{ port: backendPort }] = (await once(child, 'message')) as [{ port: number }]
  const proxy = createProxy({
    backends: { main: { endpoints: [`127.0.0.1:${backendPort}`] } },
    log: { level: 'silent' },
  })
  t.teardown(() => proxy.close())
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const run = async (calls: number) => {
    child.send({ port, load: { connections: 4, streams: 25, calls, responseBytes: 39, timeout: '60S' } })
    await once(child, 'message')
    await until('idle', () => proxy.counts().clientConnections === 0 && proxy.counts().calls === 0)
  }

  await run(5_000)
  const resources = process.getActiveResourcesInfo().sort()
  const heapBefore = heapBytes()
  await run(CALLS)

  t.same(openCounts(proxy), NOTHING)
  t.same(process.getActiveResourcesInfo().sort(), resources, 'no handle, timer or request more than before')
  const growth = heapBytes() - heapBefore
  t.ok(growth < HEAP_ALLOWANCE_BYTES, `the heap grew by ${Math.round(growth / 1024)} KiB over ${CALLS} calls`)
})
