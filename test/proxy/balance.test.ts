/** Which endpoint takes a call, as a configuration says it, with real servers. */
import pino from 'pino'
import t from 'tap'
import type { TestClient } from '../../src/demo/http2-client.ts'
import type { PingReply } from '../../src/demo/messages.ts'
import type { BackendOptions, CallInfo } from '../../src/index.ts'
import { ask, client, type Server, SILENT, server, started, Talk } from './change-rig.ts'

type Test = typeof t

async function behind(t: Test, options: (a: Server, b: Server) => BackendOptions) {
  const [a, b] = [await server(t, 'a'), await server(t, 'b')]
  const { proxy, addresses } = await started(t, { ...SILENT, backends: { main: options(a, b) } })
  const by = client(t, addresses[0]!)
  const answers = async (calls: number) => {
    const count = { a: 0, b: 0 }
    for (let i = 0; i < calls; i++) count[(await ask(by)) as 'a' | 'b']++
    return count
  }
  return { proxy, by, answers }
}

t.test('weights: three calls of four', async t => {
  const { answers } = await behind(t as Test, (a, b) => ({ endpoints: [{ address: a.url, weight: 3 }, b.url] }))
  await answers(4)
  t.same(await answers(40), { a: 30, b: 10 })
})

t.test('pick first: all calls to the first', async t => {
  const { answers, proxy } = await behind(t as Test, (a, b) => ({ endpoints: [b.url, a.url], balancer: 'pick-first' }))
  t.same(await answers(10), { a: 0, b: 10 })
  t.equal(proxy.counts().backendSessions, 1)
})

t.test('least request: calls that last count, and short ones go where there are few', async t => {
  const { answers, by } = await behind(t as Test, (a, b) => ({
    endpoints: [a.url, b.url],
    // With ten choices of two endpoints both are looked at, but for one call in 500.
    balancer: { kind: 'least-request', choices: 10 },
  }))
  await answers(4)
  const talks = Array.from({ length: 10 }, () => new Talk(by))
  const at: string[] = []
  for (const talk of talks) at.push(await talk.say('x'))
  const onA = at.filter(name => name === 'a').length
  t.ok(onA >= 4 && onA <= 6, `${onA} of 10 last at a`)
  for (const [i, talk] of talks.entries()) if (at[i] === 'a') await talk.end()
  const { a, b } = await answers(40)
  t.ok(a >= 37, `${a} to the one without calls, ${b} to the other`)
  for (const [i, talk] of talks.entries()) if (at[i] === 'b') await talk.end()
})

async function askAs(by: TestClient, user: string): Promise<string> {
  return (await by.unary<PingReply>('Ping', { value: 'which' }, [['x-user', user]])).server
}

for (const balancer of [
  { kind: 'ring-hash', key: { metadata: 'x-user' } },
  { kind: 'maglev', key: { metadata: 'x-user' } },
  { kind: 'maglev', key: (call: CallInfo) => call.metadata.get('x-user')?.toLowerCase() },
] as const) {
  const key = typeof balancer.key === 'function' ? 'a function' : 'metadata'
  t.test(`${balancer.kind} by ${key}: a key has one server, whichever proxy it comes through`, async t => {
    const [a, b] = [await server(t, 'a'), await server(t, 'b')]
    const orders = [
      [a.url, b.url],
      [b.url, a.url],
    ]
    const proxies = await Promise.all(
      orders.map(endpoints => started(t, { ...SILENT, backends: { main: { endpoints, balancer } } })),
    )
    const [one, other] = proxies.map(({ addresses }) => client(t, addresses[0]!))
    const count = { a: 0, b: 0 }
    for (let i = 0; i < 40; i++) {
      const at = await askAs(one!, `user-${i}`)
      count[at as 'a' | 'b']++
      t.same([await askAs(one!, `user-${i}`), await askAs(other!, `user-${i}`)], [at, at])
    }
    t.ok(count.a > 5 && count.b > 5, `${count.a} of 40 keys at a`)
    const without = new Set<string>()
    for (let i = 0; i < 40; i++) without.add(await ask(one!))
    t.equal(without.size, 2, 'calls without the key go anywhere')
  })
}

t.test('a key function that throws, or gives no string, costs its call nothing, and the log has it', async t => {
  const lines: string[] = []
  const logger = pino({ level: 'info' }, { write: text => lines.push(text) })
  for (const key of [
    () => {
      throw new Error('no key today')
    },
    () => 7 as never,
  ]) {
    const [a, b] = [await server(t, 'a'), await server(t, 'b')]
    const { addresses } = await started(t, {
      logger,
      backends: { main: { endpoints: [a.url, b.url], balancer: { kind: 'maglev', key } } },
    })
    const by = client(t, addresses[0]!)
    const seen = new Set<string>()
    for (let i = 0; i < 40; i++) seen.add(await ask(by))
    t.equal(seen.size, 2)
  }
  const faults = lines.filter(line => line.includes('the hash key function threw'))
  t.equal(faults.length, 80)
  t.match(faults[0], /no key today/)
  t.match(faults.at(-1), /a hash key is a string, this is number/)
})
