/** What clients have seen at an endpoint, and how little one of them can say. */
import t from 'tap'
import { Client, type ClientShare } from '../../../src/backend/client-share.ts'
import { Crowd } from '../../../src/backend/health/crowd.ts'
import { MAX_CLIENTS, Voters } from '../../../src/backend/health/voters.ts'

const BACKEND = { shared: {} as never }

/** A client's session from an address. */
function session(host: string, port = 1): ClientShare {
  return new Client(host === 'unix' ? host : `${host}:${port}`).shareOf(BACKEND)
}

/** Of a backend that has been there for an interval. */
function crowdOf(random: () => number = Math.random): Crowd {
  const crowd = new Crowd(random)
  crowd.turnOver()
  return crowd
}

function voters(): Voters {
  return new Voters(crowdOf())
}

interface Call {
  readonly ok?: number
  readonly bad?: number
}

function count(into: Voters, client: ClientShare, { ok = 0, bad = 0 }: Call): void {
  for (let i = 0; i < ok; i++) into.count(client, false)
  for (let i = 0; i < bad; i++) into.count(client, true)
}

t.test('one client: its own rate', async t => {
  const all = voters()
  count(all, session('10.0.0.1'), { ok: 3, bad: 1 })
  t.equal(all.successRate, 0.75)
  t.equal(all.volume(100), 4)
})

t.test('nobody', async t => {
  t.equal(voters().successRate, 1)
  t.equal(voters().volume(100), 0)
  t.notOk(voters().mostFailed(voters()))
})

t.test('of two the one that tells the worst does not count, however loud it is', async t => {
  const all = voters()
  count(all, session('10.0.0.1'), { ok: 50 })
  count(all, session('10.0.0.2'), { bad: 100_000 })
  t.equal(all.successRate, 1)
  t.equal(all.volume(100), 100, 'and it is half of the volume at most')
  t.notOk(all.mostFailed(voters()))
})

t.test('all see it: the rate is what it is', async t => {
  const all = voters()
  for (let i = 0; i < 20; i++) count(all, session(`10.0.0.${i}`), { ok: 1, bad: 9 })
  t.ok(Math.abs(all.successRate - 0.1) < 1e-9)
  t.ok(all.mostFailed(voters()))
})

t.test('clients of one call each: what a quarter of them tells is left out, the rest is seen', async t => {
  const all = voters()
  for (let i = 0; i < 60; i++) count(all, session(`10.0.0.${i}`), i < 30 ? { bad: 1 } : { ok: 1 })
  t.equal(all.successRate, 30 / 45)
})

t.test('a thousand sessions of one address are one voter beside others', async t => {
  const all = voters()
  for (let i = 0; i < 40; i++) count(all, session('10.9.9.9', i), { bad: 100 })
  count(all, session('10.0.0.1'), { ok: 5 })
  count(all, session('10.0.0.2'), { ok: 5 })
  t.equal(all.successRate, 1)
  t.notOk(all.mostFailed(voters()))
})

t.test('64 bits of an IPv6 address are one voter, an IPv4 address in IPv6 form is that IPv4 address', async t => {
  const all = voters()
  for (let i = 0; i < 9; i++) count(all, session(`[2001:db8:0:1::${i}]`), { bad: 9 })
  count(all, session('[::ffff:10.0.0.1]'), { ok: 1 })
  count(all, session('10.0.0.1', 2), { ok: 1 })
  t.equal(all.successRate, 1)
  t.notOk(all.mostFailed(voters()), 'one of two')
})

t.test('behind one address a session is a voter', async t => {
  for (const host of ['10.0.0.1', 'unix']) {
    const all = voters()
    count(all, session(host, 1), { bad: 1_000 })
    count(all, session(host, 2), { ok: 1 })
    count(all, session(host, 3), { ok: 1 })
    t.equal(all.successRate, 1, host)
    t.notOk(all.mostFailed(voters()), host)
    count(all, session(host, 4), { bad: 1 })
    count(all, session(host, 5), { bad: 1 })
    t.ok(all.mostFailed(voters()), 'three of five')
  }
})

t.test('what somebody saw last counts, also in the interval before', async t => {
  const crowd = crowdOf()
  const before = new Voters(crowd)
  const [one, other] = [session('10.0.0.1'), session('10.0.0.2')]
  count(before, one, { ok: 9 })
  crowd.turnOver()
  const now = new Voters(crowd)
  count(now, other, { bad: 9 })
  t.notOk(now.mostFailed(before), 'one of two')
  count(now, one, { bad: 1 })
  t.ok(now.mostFailed(before), 'it is what it saw last')
  count(now, one, { ok: 1 })
  t.notOk(now.mostFailed(before))
})

t.test('of many clients a sample is kept, to which a loud one belongs no sooner than a quiet one', async t => {
  let seed = 11
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
    return seed / 0x80000000
  }
  const crowd = crowdOf(random)
  const clients = Array.from({ length: 640 }, (_, i) => session(`10.0.${i >> 8}.${i & 255}`))
  let sum = 0
  const ROUNDS = 40
  for (let round = 0; round < ROUNDS; round++) {
    const all = new Voters(crowd)
    // A tenth of them fail, are first, and call ten times as often.
    for (const [i, client] of clients.entries()) count(all, client, i < 64 ? { bad: 10 } : { ok: 1 })
    for (const client of clients.slice(0, 64)) count(all, client, { bad: 10 })
    t.equal(all.volume(100), 64 * 20 + 576)
    sum += all.successRate
  }
  t.ok(sum / ROUNDS > 0.99, `a tenth is below the quarter that is left out: ${sum / ROUNDS}`)
  t.equal(MAX_CLIENTS, 64)
})

t.test('what only one of several has seen says nothing', async t => {
  const crowd = crowdOf()
  const [here, elsewhere] = [new Voters(crowd), new Voters(crowd)]
  count(here, session('10.6.6.6', 1), { bad: 1_000 })
  t.ok(here.mostFailed(new Voters(crowd)), 'alone at the backend')
  t.equal(here.volume(100), 1_000)
  count(elsewhere, session('10.0.0.1'), { ok: 1 })
  count(here, session('10.6.6.6', 2), { bad: 1_000 })
  t.notOk(here.mostFailed(new Voters(crowd)), 'two sessions of one address are one voter')
  t.equal(here.volume(100), 0)
  crowd.turnOver()
  t.equal(here.volume(100), 0, 'the other one is remembered')
  crowd.turnOver()
  t.equal(here.volume(100), 2_000, 'for one interval')
})

t.test('after an ejection what was seen is forgotten, and by whom is not', async t => {
  const crowd = crowdOf()
  const [before, now] = [new Voters(crowd), new Voters(crowd)]
  for (let i = 0; i < 4; i++) count(before, session(`10.0.0.${i}`), { bad: 9 })
  now.forgive(before)
  const then = new Voters(crowd)
  count(then, session('10.6.6.6'), { bad: 9 })
  count(then, session('10.6.6.7'), { bad: 9 })
  t.notOk(then.mostFailed(now))
})

t.test('the first one that calls is not taken for the only one', async t => {
  const crowd = new Crowd(Math.random)
  const here = new Voters(crowd)
  count(here, session('10.6.6.6'), { bad: 1_000 })
  t.notOk(here.mostFailed(new Voters(crowd)))
  t.equal(here.volume(100), 0)
})
