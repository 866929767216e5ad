/** After many calls and their end nothing is left: no stream, timer or listener, and the memory is back. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { startBackend } from '../../bench/load/backend-process.ts'
import { generate } from '../../bench/load/generator.ts'
import type { Shape } from '../../bench/load/shape.ts'
import { SMALL_BYTES } from '../../bench/subjects/world.ts'
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

/** The handles, timers and requests of this process that were not there before. */
function moreThan(before: readonly string[]): string[] {
  const known = [...before]
  return process.getActiveResourcesInfo().filter(kind => {
    const at = known.indexOf(kind)
    if (at >= 0) known.splice(at, 1)
    return at < 0
  })
}

const SMALL: Shape = { kind: 'unary', requestBytes: SMALL_BYTES, responseBytes: SMALL_BYTES }
const NOTHING = { calls: 0, clientSessions: 0, clientConnections: 0, waitingCalls: 0, backendStreams: 0, timers: 0 }

t.test(`${CALLS} calls leave nothing behind`, async t => {
  // Client and backend have processes of their own, so that the memory under test is the proxy's alone.
  const { child, port: backendPort } = await startBackend()
  t.teardown(() => child.kill())
  const proxy = createProxy({
    backends: { main: { endpoints: [`127.0.0.1:${backendPort}`] } },
    log: { level: 'silent' },
  })
  t.teardown(() => proxy.close())
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const run = async (calls: number) => {
    // A deadline for each call, and a traceparent.
    await generate({
      port,
      connections: 4,
      shape: SMALL,
      headers: 'token',
      mode: { kind: 'closed', streams: 25, calls },
    })
    await until('idle', () => proxy.counts().clientConnections === 0 && proxy.counts().calls === 0)
  }

  await run(5_000)
  const resources = process.getActiveResourcesInfo()
  const heapBefore = heapBytes()
  await run(CALLS)

  t.same(openCounts(proxy), NOTHING)
  const more = () => moreThan(resources)
  // Those of the load's process may close some turns after its end.
  await until(
    'no handle, timer or request is there more than before',
    () => more().length === 0,
    () => `${more()}`,
  )
  const growth = heapBytes() - heapBefore
  t.ok(growth < HEAP_ALLOWANCE_BYTES, `the heap grew by ${Math.round(growth / 1024)} KiB over ${CALLS} calls`)
})
