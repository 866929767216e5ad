/** Which endpoint takes a call, as a configuration says it, with real servers. */
import t from 'tap'
import type { BackendOptions } from '../../src/index.ts'
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
