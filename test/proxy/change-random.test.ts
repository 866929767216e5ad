/**
 * Any sequence of configurations under load: each call ends with OK, and by a server that some configuration of its
 * time had; nothing is left of those before, and the proxy is as one that was made of the last.
 * `CHANGE_SEED=7` repeats a run.
 */
import t from 'tap'
import { seededRandom } from '../../src/bench/random.ts'
import { createProxy, type GrpcProxy, type ProxyOptions } from '../../src/index.ts'
import { until } from '../support/until.ts'
import { WHOLE } from '../support/whole.ts'
import { ask, client, type Server, SILENT, server, started, Talk } from './change-rig.ts'

const SEED = Number(process.env.CHANGE_SEED ?? Date.now() % 1_000_000)
const CHANGES = WHOLE ? 100 : 25
/** Of each client, between two changes. */
const CALLS = 6
const NAMES = ['a', 'b', 'c', 'd']

function randomOf(seed: number) {
  const next = seededRandom(seed)
  return {
    chance: (part: number) => next() < part,
    below: (count: number) => Math.floor(next() * count),
    some: <Thing>(things: readonly Thing[]) => {
      const chosen = things.filter(() => next() < 0.5)
      return chosen.length > 0 ? chosen : [things[Math.floor(next() * things.length)]!]
    },
  }
}

type Random = ReturnType<typeof randomOf>

/** The first listener is always there: its clients are to notice nothing. */
function snapshot(random: Random, servers: readonly Server[]): ProxyOptions & { servers: ReadonlySet<string> } {
  const names = random.some(['x', 'y', 'z'])
  const reached = new Set<string>()
  const backends = Object.fromEntries(
    names.map(name => {
      const chosen = random.some(servers)
      for (const { name: server } of chosen) reached.add(server)
      const transport = random.chance(0.3) ? ('native' as const) : ('frames' as const)
      const queue = { timeoutMs: 10_000 + random.below(3) }
      return [name, { endpoints: chosen.map(({ url }) => url), transport, queue }]
    }),
  )
  const weighted = names.map(backend => ({ backend, weight: 1 + random.below(3) }))
  return {
    ...SILENT,
    listeners: Array.from({ length: 1 + random.below(3) }, () => ({ address: '127.0.0.1:0' })),
    backends,
    routes: random.chance(0.5)
      ? [{ backends: weighted }]
      : [{ match: { method: 'Ping' }, backend: names[0] }, { backends: weighted }],
    limits: { maxConcurrentStreams: 50 + random.below(50), replayBytes: 65_536 * (1 + random.below(3)) },
    log: { level: 'silent', access: random.chance(0.5) },
    drain: { graceMs: 30_000 },
    servers: reached,
  }
}

function optionsOf({ servers: _, ...options }: ReturnType<typeof snapshot>): ProxyOptions {
  return options
}

t.test(`configurations under load, seed ${SEED}`, { timeout: 300_000 }, async t => {
  const random = randomOf(SEED)
  const servers = await Promise.all(NAMES.map(name => server(t, name)))
  const all = [snapshot(random, servers)]
  const { proxy, addresses } = await started(t, optionsOf(all[0]!))
  let [calls, over] = [0, false]
  const wrong: string[] = []

  /** `began`: the configurations before that one had gone when the call came. */
  const judge = (name: string, began: number): void => {
    if (!all.slice(began).some(({ servers }) => servers.has(name))) wrong.push(`${name} answered a call of ${began}`)
    calls++
  }
  const unary = async (): Promise<void> => {
    const by = client(t, addresses[0]!)
    while (!over && wrong.length === 0) {
      // The change to the last one may not be made yet.
      const began = Math.max(0, all.length - 2)
      await ask(by, random.below(3)).then(
        name => judge(name, began),
        error => wrong.push(`unary: ${error}`),
      )
    }
  }
  const talking = async (): Promise<void> => {
    const by = client(t, addresses[0]!)
    while (!over && wrong.length === 0) {
      const began = Math.max(0, all.length - 2)
      const talk = new Talk(by)
      try {
        const name = await talk.say('begin')
        const until = calls + 2 * CALLS
        while (!over && wrong.length === 0 && calls < until) {
          const again = await talk.say('go on')
          if (again !== name) wrong.push(`a call went from ${name} to ${again}`)
          await new Promise(setImmediate)
        }
        await talk.end()
        judge(name, began)
      } catch (error) {
        wrong.push(`talk: ${error}`)
      }
    }
  }
  const load = [unary(), unary(), unary(), talking(), talking()]
  for (let at = 0; at < CHANGES && wrong.length === 0; at++) {
    const enough = calls + 3 * CALLS
    await until(`${enough} calls`, () => calls >= enough || wrong.length > 0)
    all.push(snapshot(random, servers))
    await proxy.apply(optionsOf(all.at(-1)!))
  }
  over = true
  await Promise.all(load)
  t.same(wrong, [])
  await alike(t, proxy, optionsOf(all.at(-1)!), addresses[0]!)
})

/** What is open is what a proxy of the last configuration alone has open, once each endpoint of both had a call. */
async function alike(t: Tap, proxy: GrpcProxy, last: ProxyOptions, address: string): Promise<void> {
  const fresh = createProxy(last)
  t.teardown(() => fresh.close())
  const [first] = await fresh.start()
  const byFresh = client(t, first!.address)
  const by = client(t, address)
  const open = (of: GrpcProxy) => {
    const { calls, waitingCalls, backendStreams, backendSessions } = of.counts()
    return `${calls} calls, ${waitingCalls} wait, ${backendStreams} streams on ${backendSessions} sessions`
  }
  const [ours, others] = [() => open(proxy), () => open(fresh)]
  // The routes choose at random, so nobody knows when all endpoints had their first call.
  for (let i = 0; i < MOST_ROUNDS && ours() !== others(); i++) {
    for (let calls = 0; calls < 10; calls++) await Promise.all([by, byFresh].flatMap(one => [ask(one), chat(one)]))
    await new Promise(resolve => setTimeout(resolve, i))
  }
  t.equal(ours(), others())
}

/** Routes may send the two kinds of calls to different backends. */
async function chat(by: ReturnType<typeof client>): Promise<void> {
  const talk = new Talk(by)
  await talk.say('hello')
  await talk.end()
}

/** With pauses between them that get longer: some ten seconds, for a session that has still to go. */
const MOST_ROUNDS = 150

type Tap = Parameters<typeof client>[0]
