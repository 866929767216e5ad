/** Gates of a proxy of several processes: each worker asks them. */
import type { ClientHttp2Session } from 'node:http2'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { QuestionName, Questions, ToPrimary } from '../../src/workers/messages.ts'
import { dataOf } from '../../src/workers/setup-data.ts'
import { Worker } from '../../src/workers/worker.ts'
import { until } from '../support/until.ts'
import { backend, call, connect, connectionsOf, ended, pidsOf, serve } from './rig.ts'

const UNAUTHENTICATED = '16'
const PERMISSION_DENIED = '7'
const RESOURCE_EXHAUSTED = '8'

t.test('a call that does not pass a gate passes in no worker, also after a change', async t => {
  const { url, calls } = await backend(t)
  const yaml = (require: string, atListener = '') => `listeners: [{ address: "127.0.0.1:0"${atListener} }]
backends: { greeter: { endpoints: ["${url}"] } }
gates:
  nobody: { network: { deny: [127.0.0.0/8] } }
  users: { jwt: { issuer: a, audience: b, jwks: { file: FOLDER/keys.json } } }
routes:
  - { match: { service: a.B }, backend: greeter, require: users }
  - { backend: greeter }
${require}
workers: 2`
  const served = await serve(t, yaml('require: [{ any: [users, users] }]'), { files: { 'keys.json': '{"keys":[]}' } })
  const sessions = [await connect(t, served.address), await connect(t, served.address)]
  const all = (path: string) => Promise.all(sessions.map(session => call(session, path)))
  t.same(await all('/a.B/C'), [UNAUTHENTICATED, UNAUTHENTICATED])
  t.same(await all('/x.Y/Z'), [UNAUTHENTICATED, UNAUTHENTICATED])
  served.write(yaml('require: nobody'))
  t.match(await served.page('/reload', 'POST'), /applied/)
  t.same(await all('/x.Y/Z'), [PERMISSION_DENIED, PERMISSION_DENIED])
  t.equal(calls(), 0)
  served.write(yaml(''))
  t.match(await served.page('/reload', 'POST'), /applied/)
  t.same(await all('/x.Y/Z'), ['0', '0'])
  t.same(await all('/a.B/C'), [UNAUTHENTICATED, UNAUTHENTICATED])
  served.write(yaml('', ', require: nobody'))
  t.match(await served.page('/reload', 'POST'), /applied/)
  t.same(await all('/x.Y/Z'), [PERMISSION_DENIED, PERMISSION_DENIED], 'a gate of the listener')
})

/** A minute. */
const MAX_CALLS = 600
/** So slow that nothing but the burst passes during a test, however slow the machine is. */
const SLOW = 'perSecond: 0.001'

t.test('a worker counts with the gates that hold, also when a change was taken back', async t => {
  const told: ToPrimary[] = []
  const worker = new Worker({ tell: message => void told.push(message), end: () => {} })
  let id = 0
  const ask = async <N extends QuestionName>(
    name: N,
    given: Questions[N]['given'],
  ): Promise<Questions[N]['answer']> => {
    const own = ++id
    worker.hear({ kind: 'question', id: own, name, given }, undefined)
    const heard = () => told.find(message => 'id' in message && message.id === own)
    await until(`an answer to ${name}`, () => heard() !== undefined)
    const answer = heard()!
    if (answer.kind !== 'answer') throw new Error(JSON.stringify(answer))
    return answer.value as Questions[N]['answer']
  }
  const data = (perSecond: number) =>
    dataOf(
      resolveConfig({
        log: { level: 'silent' },
        backends: { main: { endpoints: ['127.0.0.1:1'] } },
        gates: { often: { rateLimit: { perSecond } }, few: { concurrency: { max: 3 } } },
        require: ['often', 'few'],
      }).config,
    )
  const gates = async () => (await ask('gateCounts', { told: [], most: 1 })).gates.map(({ gate }) => gate.slice(0, 40))
  await ask('start', data(1))
  t.ok(told.some(({ kind }) => kind === 'counted'))
  const first = await gates()
  t.match(first, [/^often .*"perSecond":1/, /^few .*"max":3/])
  await ask('prepare', data(2))
  t.same(await gates(), first)
  await ask('discard', undefined)
  t.same(await gates(), first)
  await ask('prepare', data(3))
  await ask('commit', undefined)
  t.match(await gates(), [/^often .*"perSecond":3/, /^few .*"max":3/])
  await ask('drain', { graceMs: 0 })
})

t.test('a rate is one of all workers: what one has let pass, the other knows', async t => {
  const { url } = await backend(t)
  const yaml = `listeners: [{ address: "127.0.0.1:0" }]
backends: { greeter: { endpoints: ["${url}"] } }
gates:
  often: { rateLimit: { ${SLOW}, burst: 100 } }
  steady: { rateLimit: { perSecond: 50, burst: 1 } }
routes:
  - { match: { service: r.R }, backend: greeter, require: steady }
  - { backend: greeter, require: often }
workers: 2`
  const served = await serve(t, yaml)
  const [one, other] = [await connect(t, served.address), await connect(t, served.address)]
  t.same(await connectionsOf(served), [1, 1])
  const first = await Promise.all(Array.from({ length: 100 }, () => call(one)))
  t.ok(first.every(status => status === '0'))
  t.equal(await call(one), RESOURCE_EXHAUSTED)
  t.ok((await callsUntil(other, RESOURCE_EXHAUSTED)) <= 100, 'the other worker alone would have let pass a hundred')
  served.write(yaml.replace('routes:', 'routes:\n  - { match: { service: new.New }, deny: NOT_FOUND }'))
  t.match(await served.page('/reload', 'POST'), /applied/)
  t.same([await call(one), await call(other)], [RESOURCE_EXHAUSTED, RESOURCE_EXHAUSTED], 'also after another change')
  const share = await shareOfRate([one, other], 50)
  t.ok(share > 0.4 && share < 1.6, `under load at both they pass the rate, and not twice as many: ${share}`)
})

t.test('calls at a time are those of all workers, but not of one that was killed', async t => {
  const { url } = await backend(t)
  const served = await serve(
    t,
    `listeners: [{ address: "127.0.0.1:0" }]
backends: { greeter: { endpoints: ["${url}"] } }
gates: { few: { concurrency: { max: 3 } } }
routes: [{ backend: greeter, require: few }]
workers: 2`,
  )
  const one = await connect(t, served.address)
  // Its worker is the one that has a connection.
  const holder = (await connectionsOf(served)).indexOf(1)
  const other = await connect(t, served.address)
  const held = Array.from({ length: 3 }, () => call(one, '/a.B/Hold'))
  await callsUntil(other, RESOURCE_EXHAUSTED)
  const pid = (await pidsOf(served))[holder]!
  process.kill(pid, 'SIGKILL')
  await ended(pid)
  t.same(await Promise.all(held), ['lost', 'lost', 'lost'])
  t.ok(await callsUntil(other, '0'), 'its calls do not count any more')
})

/** For two seconds more calls than may pass, at each: those that passed, by those that a rate lets pass in the time it took. */
async function shareOfRate(sessions: readonly ClientHttp2Session[], perSecond: number): Promise<number> {
  const begunMs = performance.now()
  let passed = 0
  const hammer = async (session: ClientHttp2Session) => {
    while (performance.now() < begunMs + 2_000) {
      if ((await call(session, '/r.R/C')) === '0') passed++
      await setTimeout(5)
    }
  }
  await Promise.all(sessions.flatMap(session => [hammer(session), hammer(session)]))
  return passed / (((performance.now() - begunMs) / 1_000) * perSecond)
}

/** Calls, one after the other with a pause, up to the first that ends so. @returns which of them it was */
async function callsUntil(session: ClientHttp2Session, status: string): Promise<number> {
  for (let calls = 1; calls <= MAX_CALLS; calls++) {
    if ((await call(session)) === status) return calls
    // Workers hear of each other in less than two of these.
    await setTimeout(100)
  }
  throw new Error(`none of ${MAX_CALLS} calls ended with ${status}`)
}
