/** The proxy in a process of its own, so that the memory is its own; told and asked by messages. */
import { createProxy, type GrpcProxy, type OpenCounts, type ProxyOptions } from '../../../src/index.ts'
import { Random } from './random.ts'

export interface Start {
  readonly downstream: 'native' | 'frames'
  readonly upstream: 'native' | 'frames'
  readonly calm: string[]
  readonly storm: string[]
}

export type Question =
  | { readonly ask: 'start'; readonly start: Start }
  /** Answered when nothing but backend sessions is open, or after `withinMs`. */
  | { readonly ask: 'idle'; readonly withinMs: number; readonly backendSessions: boolean }
  | { readonly ask: 'memory' }
  /** Another configuration for the same calls, or a wrong one; by `seed` and `number`. */
  | { readonly ask: 'change'; readonly seed: number; readonly number: number; readonly wrong: boolean }
  | { readonly ask: 'close' }

export interface Report {
  readonly port?: number
  readonly idle?: boolean
  readonly change?: 'applied' | 'refused'
  readonly counts: OpenCounts
  readonly resources: readonly string[]
  readonly heapBytes: number
  readonly rssBytes: number
}

let proxy: GrpcProxy
const collectGarbage = (globalThis as { gc?: () => void }).gc!

type Change = Extract<Question, { readonly ask: 'change' }>

let begun: Start

/** The same calls have the same endpoints in each of them, so that the plans of calls and of storms hold. */
function configuration({ upstream, calm, storm }: Start, random?: Random): ProxyOptions {
  const quick = {
    transport: upstream,
    connectTimeoutMs: 1_000 + (random?.between(0, 3) ?? 0),
    backoff: { initialMs: 50, multiplier: 1.6, maxMs: 400, jitter: 0.2 },
  }
  const backends = { calm: { endpoints: calm, ...quick }, storm: { endpoints: storm, ...quick } }
  const spare = { spare: { endpoints: calm, ...quick } }
  const routes = [
    { match: { service: 'soak.calm' }, backend: 'calm' },
    { match: { service: 'soak.storm' }, backend: 'storm' },
  ]
  return {
    backends: random?.chance(0.5) ? { ...backends, ...spare } : backends,
    routes: random?.chance(0.5) ? routes.reverse() : routes,
    limits: { replayBytes: 65_536 + (random?.between(0, 3) ?? 0) },
    log: { level: 'silent' },
  }
}

async function start(given: Start): Promise<number> {
  begun = given
  proxy = createProxy(configuration(given))
  return (await proxy.listen({ host: '127.0.0.1', port: 0, transport: given.downstream })).port
}

async function change({ seed, number, wrong }: Change): Promise<'applied' | 'refused'> {
  const options = configuration(begun, Random.of(seed, number))
  try {
    await proxy.apply(wrong ? { ...options, routes: [{ backend: 'missing' }] } : options)
    return 'applied'
  } catch {
    return 'refused'
  }
}

function isIdle(backendSessions: boolean): boolean {
  const counts = proxy.counts()
  const open = Object.values(counts).reduce((a, b) => a + b, 0)
  return open === (backendSessions ? counts.backendSessions : 0)
}

async function idle(withinMs: number, backendSessions: boolean): Promise<boolean> {
  const giveUp = performance.now() + withinMs
  while (!isIdle(backendSessions)) {
    if (performance.now() > giveUp) return false
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return true
}

async function settleMemory(): Promise<void> {
  // What ended in this turn lets go in the next ones; finalizers of buffers come after a collection.
  for (let i = 0; i < 4; i++) {
    collectGarbage()
    await new Promise(resolve => setImmediate(resolve))
  }
}

async function answer(question: Question): Promise<Partial<Report>> {
  switch (question.ask) {
    case 'start':
      return { port: await start(question.start) }
    case 'idle':
      return { idle: await idle(question.withinMs, question.backendSessions) }
    case 'change':
      return { change: await change(question) }
    case 'memory':
      await settleMemory()
      return {}
    case 'close':
      await proxy.close()
      closed = true
      return {}
  }
}

let closed = false
// The test is gone; after a `close` nothing may keep the process alive, so nothing is done.
process.on('disconnect', () => {
  if (!closed) process.exit(1)
})

process.on('message', async (question: Question) => {
  const told = await answer(question)
  const { heapUsed, external, rss } = process.memoryUsage()
  const report: Report = {
    ...told,
    counts: proxy.counts(),
    resources: process.getActiveResourcesInfo().sort(),
    heapBytes: heapUsed + external,
    rssBytes: rss,
  }
  process.send!(report)
})
