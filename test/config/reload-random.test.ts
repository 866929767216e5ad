/**
 * A file that is changed again and again under load, to what is right and to what is wrong: no call is lost, no session is
 * left over, and in the end the proxy is as a fresh one with the last file that was right.
 * `RELOAD_SEED=7` repeats a run; `npm run reload` is the long form: 1,000 changes at 2,000 calls a second.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { seededRandom } from '../../src/bench/random.ts'
import { ConfiguredProxy } from '../../src/config/configured-proxy.ts'
import { loadConfig } from '../../src/config/load.ts'
import { Reloader } from '../../src/config/reload.ts'
import type { TestClient } from '../../src/demo/http2-client.ts'
import type { GrpcProxy } from '../../src/index.ts'
import { ask, client, type Server, server } from '../proxy/change-rig.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env.RELOAD_SEED ?? Date.now() % 1_000_000)
const CHANGES = Number(process.env.RELOAD_CHANGES ?? 60)
/** Calls a second; without it one after the other on each connection. */
const RATE = Number(process.env.RELOAD_RATE ?? 0)
const CONNECTIONS = 4
/** A machine that cannot do as many calls a second makes fewer. */
const MOST_AT_A_TIME = 200
/** Between two changes, so that each meets some. */
const CALLS = 10

/** Each makes a file wrong in another way: as text, by the schema, by the checks, against the system. */
const MISTAKES: readonly ((text: string) => string)[] = [
  text => text.slice(0, text.length / 2),
  text => text.replace('"listeners"', '"listener"'),
  text => text.replace(/"endpoints":\[/, '"endpoints":["nowhere",'),
  text => text.replace(/"routes":\[/, '"routes":[{"backend":"missing"},'),
  // An address that this machine does not have.
  text => text.replace(/"listeners":\[/, '"listeners":[{"address":"192.0.2.1:80"},'),
]

function randomOf(seed: number) {
  const next = seededRandom(seed)
  const below = (count: number) => Math.floor(next() * count)
  return { below, chance: (part: number) => next() < part, one: <T>(all: readonly T[]) => all[below(all.length)]! }
}

function rightText({ below, chance }: ReturnType<typeof randomOf>, servers: readonly Server[]): string {
  const names = ['x', 'y', 'z'].slice(0, 1 + below(3))
  const endpoints = () => {
    const some = servers.filter(() => chance(0.5))
    return (some.length > 0 ? some : servers).map(({ url }) => url)
  }
  const backends = names.map(name => [name, { endpoints: endpoints(), queue: { timeoutMs: 20_000 + below(3) } }])
  return JSON.stringify({
    listeners: Array.from({ length: 1 + below(3) }, () => ({ address: '127.0.0.1:0' })),
    backends: Object.fromEntries(backends),
    routes: [{ backends: names.map(backend => ({ backend, weight: 1 + below(3) })) }],
    limits: { maxConcurrentStreams: 100 + below(50) },
    drain: { graceMs: 30_000 },
    log: { level: 'silent' },
  })
}

async function started(
  t: Test,
  file: string,
): Promise<{ proxy: ConfiguredProxy; address: string; started: Promise<unknown> }> {
  const proxy = new ConfiguredProxy(loadConfig(file))
  t.teardown(() => proxy.close())
  const started = proxy.start()
  const [first] = await started
  return { proxy, address: first!.address, started }
}

/** Calls until it is over. @returns what did not end with OK, and how many calls there were */
function load(by: readonly TestClient[]) {
  const seen = { calls: 0, wrong: [] as string[], over: false, done: Promise.resolve() as Promise<unknown> }
  const one = async (client: TestClient) => {
    try {
      await ask(client)
    } catch (error) {
      seen.wrong.push(String(error))
    }
    seen.calls++
  }
  const closed = async (client: TestClient) => {
    while (!seen.over && seen.wrong.length === 0) await one(client)
  }
  const paced = async () => {
    const begin = performance.now()
    const all: Promise<void>[] = []
    for (let n = 0; !seen.over && seen.wrong.length === 0; ) {
      for (const due = ((performance.now() - begin) * RATE) / 1_000; n < due && n - seen.calls < MOST_AT_A_TIME; n++)
        all.push(one(by[n % by.length]!))
      await new Promise(resolve => setTimeout(resolve, 1))
    }
    await Promise.all(all)
  }
  seen.done = RATE > 0 ? paced() : Promise.all(by.map(closed))
  return seen
}

t.setTimeout(3_600_000)

t.test(`${CHANGES} right and wrong files under load, seed ${SEED}`, { timeout: 3_600_000 }, async t => {
  const random = randomOf(SEED)
  const servers = await Promise.all(['a', 'b', 'c'].map(name => server(t, name)))
  let last = rightText(random, servers)
  const file = join(t.testdir({ 'proxy.yaml': last }), 'proxy.yaml')
  const { proxy, address, started: ready } = await started(t, file)
  const reloader = new Reloader(proxy, { file, read: files => loadConfig(file, files), log: proxy.log, started: ready })
  const calls = load(Array.from({ length: CONNECTIONS }, () => client(t, address)))
  const begin = performance.now()
  const verdicts: Record<string, number> = { applied: 0, unchanged: 0, rejected: 0 }
  for (let n = 0; n < CHANGES && calls.wrong.length === 0; n++) {
    const enough = calls.calls + CALLS
    await until(`${enough} calls`, () => calls.calls >= enough || calls.wrong.length > 0)
    const isWrong = random.chance(0.5)
    const text = rightText(random, servers)
    writeFileSync(file, isWrong ? random.one(MISTAKES)(text) : text)
    const { kind } = await reloader.reload('test')
    verdicts[kind]!++
    if (isWrong !== (kind === 'rejected')) t.fail(`change ${n}: ${kind}: ${text}`)
    if (!isWrong) last = text
  }
  const seconds = (performance.now() - begin) / 1_000
  calls.over = true
  await calls.done
  t.same(calls.wrong, [])
  t.comment(
    `${calls.calls} calls in ${seconds.toFixed(1)} s, ${(calls.calls / seconds).toFixed(0)} a second; ${JSON.stringify(verdicts)}`,
  )
  writeFileSync(file, last)
  const fresh = await started(t, file)
  t.same(proxy.setup, fresh.proxy.setup, 'what is in force is the last file that was right')
  await alike(t, [proxy, address], [fresh.proxy, fresh.address])
})

/** As many sessions as a proxy that has seen one configuration only, once each has called all endpoints. */
async function alike(t: Test, ...both: readonly [GrpcProxy, string][]): Promise<void> {
  const clients = both.map(([, address]) => client(t, address))
  const open = () =>
    both.map(([proxy]) => {
      const { calls, waitingCalls, backendStreams, backendSessions } = proxy.counts()
      return `${calls} calls, ${waitingCalls} wait, ${backendStreams} streams on ${backendSessions} sessions`
    })
  for (let i = 0; i < 100 && new Set(open()).size > 1; i++) {
    for (let n = 0; n < 10; n++) await Promise.all(clients.map(each => ask(each)))
    await new Promise(resolve => setTimeout(resolve, i))
  }
  const [ours, theirs] = open()
  t.equal(ours, theirs)
}
