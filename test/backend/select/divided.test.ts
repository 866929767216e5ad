/** A balancer of balancers: parts of the endpoints, each with its share of the calls. */
import t from 'tap'
import type { Balancer } from '../../../src/backend/balance/balancer.ts'
import { RoundRobin } from '../../../src/backend/balance/round-robin.ts'
import type { Waiter } from '../../../src/backend/client-share.ts'
import type { Endpoint } from '../../../src/backend/endpoint.ts'
import { DividedBalancer } from '../../../src/backend/select/divided.ts'
import { seededRandom } from '../../../src/bench/random.ts'

const CALL = { hash: 0 } as Waiter
const HASHED = (hash: number) => ({ hash }) as Waiter

/** Endpoints that take no call, by the letters of each part. */
function divided(parts: Readonly<Record<string, number>>, start = 0, promising = ''): Balancer {
  const all = Object.entries(parts).map(([names, share]) => ({
    balancer: new RoundRobin(
      [...names].map(name => ({ name, failing: false, promising: promising.includes(name) })) as unknown as Endpoint[],
      0,
    ),
    share,
  }))
  return new DividedBalancer(all, start)
}

const nameOf = (endpoint: Endpoint | undefined) => (endpoint as unknown as { name: string } | undefined)?.name ?? ''

function walk(balancer: Balancer, call = CALL): string {
  let names = nameOf(balancer.first(call))
  for (let last = names; last !== ''; names += last) last = nameOf(balancer.next())
  return names
}

t.test('divided: each part has its share of any hundred calls, give or take three', async t => {
  const balancer = divided({ a: 0.7, b: 0.2, c: 0.1 }, 0.9)
  const order = Array.from({ length: 5_000 }, () => nameOf(balancer.first(CALL)))
  for (const [name, share] of Object.entries({ a: 70, b: 20, c: 10 })) {
    let count = 0
    order.forEach((at, i) => {
      if (at === name) count++
      if (i >= 100 && order[i - 100] === name) count--
      if (i >= 100 && Math.abs(count - share) > 3) t.fail(`${count} of ${share} at ${i}`)
    })
  }
  t.pass()
})

t.test('divided: a walk asks every endpoint once, the other parts in their order', async t => {
  t.equal(walk(divided({ ab: 0.5, cd: 0.3, e: 0.2 }, 0)), 'cdabe')
  t.equal(walk(divided({ ab: 0.5, '': 0.3, e: 0.2 }, 0)), 'abe', 'an empty part has no endpoint')
  t.equal(walk(divided({ a: 1, b: 0, c: 0 })), 'abc')
  t.equal(walk(divided({ a: 0, b: 1 })), 'ba', 'a part without a share is the last')
  t.equal(walk(divided({ ab: 1, c: 0 }, 0, 'a')), 'ab', 'and not asked where one that was asked may get a session')
  const balancer = divided({ ab: 0.5, c: 0.5 })
  for (let i = 0; i < 50; i++) t.equal([...walk(balancer)].sort().join(''), 'abc')
})

t.test('divided: calls of the same hash have the same part, and hashes fill the parts by their shares', async t => {
  const balancer = divided({ a: 0.7, b: 0.3 })
  let inA = 0
  const random = seededRandom(3)
  for (let i = 0; i < 10_000; i++) {
    const hash = 1 + Math.floor(random() * (2 ** 31 - 1))
    const name = nameOf(balancer.first(HASHED(hash)))
    if (name !== nameOf(balancer.first(HASHED(hash)))) t.fail(`${hash} has two parts`)
    if (name === 'a') inA++
  }
  t.ok(Math.abs(inA - 7_000) < 150, `${inA}`)
  // Neighbours on a ring are not in the same part.
  const names = Array.from({ length: 1_000 }, (_, i) => nameOf(balancer.first(HASHED(i + 1))))
  t.ok(Math.abs(names.filter(name => name === 'a').length - 700) < 50)
})
