/** The balancers by themselves, and a backend that has one. Round robin has a file of its own. */
import t from 'tap'
import type { Balancer } from '../../src/backend/balance/balancer.ts'
import { makerOf } from '../../src/backend/balance/kinds.ts'
import { LeastRequest } from '../../src/backend/balance/least-request.ts'
import { PickFirst } from '../../src/backend/balance/pick-first.ts'
import { RoundRobin } from '../../src/backend/balance/round-robin.ts'
import { WeightedRoundRobin } from '../../src/backend/balance/weighted-round-robin.ts'
import type { Waiter } from '../../src/backend/client-share.ts'
import type { Endpoint } from '../../src/backend/endpoint.ts'
import { seededRandom } from '../../src/bench/random.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { BackendRig, shares } from './rig.ts'

interface Fake {
  readonly name: string
  inFlight: number
  awaited: number
  failing: boolean
  readonly weight: number
}

function fakes(weights: readonly number[]): Fake[] {
  return weights.map((weight, i) => ({
    name: 'abcdefghijklmnop'[i]!,
    inFlight: 0,
    awaited: 0,
    failing: false,
    weight,
  }))
}

const CALL = {} as Waiter
const CONTEXT = { clock: new FakeClock(), random: Math.random }
const endpointsOf = (all: readonly Fake[]) => all as unknown as readonly Endpoint[]
const first = (balancer: Balancer) => balancer.first(CALL) as unknown as Fake

/** Names in the order in which a whole walk asks. */
function walk(balancer: Balancer): string {
  let names = ''
  for (let at = balancer.first(CALL); at !== undefined; at = balancer.next()) names += (at as unknown as Fake).name
  return names
}

function countOf(balancer: Balancer, calls: number): Record<string, number> {
  const count: Record<string, number> = {}
  for (let i = 0; i < calls; i++) {
    const { name } = first(balancer)
    count[name] = (count[name] ?? 0) + 1
  }
  return count
}

t.test('weights: each has its part of the turns, spread evenly, wherever it begins', async t => {
  for (let seed = 0; seed < 50; seed++) {
    const random = seededRandom(seed)
    const balancer = new WeightedRoundRobin(endpointsOf(fakes([5, 3, 2])), random)
    const order = Array.from({ length: 1_000 }, () => first(balancer).name)
    for (const [name, part] of [
      ['a', 500],
      ['b', 300],
      ['c', 200],
    ] as const) {
      const turns = order.flatMap((at, i) => (at === name ? [i] : []))
      if (Math.abs(turns.length - part) > 1) t.fail(`${name} has ${turns.length} turns of ${part}, seed ${seed}`)
      const gaps = turns.slice(1).map((turn, i) => turn - turns[i]!)
      // Of the mean of 2, 3.3 and 5 each may differ by what one round is long.
      if (Math.max(...gaps) > 1_000 / part + 3) t.fail(`${name} waits for ${Math.max(...gaps)} turns, seed ${seed}`)
    }
  }
  const parts = new WeightedRoundRobin(endpointsOf(fakes([0.5, 1, 0.001])), seededRandom(1))
  const { a, b, c } = countOf(parts, 15_010)
  t.same([Math.round(a! / 10), Math.round(b! / 10), c], [500, 1_000, 10])
})

t.test('weights that differ as much as they may: nobody is more than a turn ahead of another', async t => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(seed)
    const all = fakes(Array.from({ length: 1 + Math.floor(random() * 16) }, () => 65_535 ** random()))
    const balancer = new WeightedRoundRobin(endpointsOf(all), random)
    const turns = new Map(all.map(fake => [fake, 0]))
    for (let i = 1; i <= 5_000; i++) {
      const one = first(balancer)
      turns.set(one, turns.get(one)! + 1)
      for (const other of all) {
        // In turns for each unit of weight; each may be one turn of its own ahead.
        const ahead = turns.get(one)! / one.weight - turns.get(other)! / other.weight
        if (ahead > 1 / one.weight + 1 / other.weight + 1e-9) t.fail(`${ahead} ahead, seed ${seed}, turn ${i}`)
      }
    }
  }
})

t.test('weights that are all the same are plain turns', async t => {
  t.ok(makerOf('round-robin')(endpointsOf(fakes([2, 2])), CONTEXT, 0) instanceof RoundRobin)
  t.ok(makerOf({ kind: 'round-robin' })(endpointsOf(fakes([2, 1])), CONTEXT, 0) instanceof WeightedRoundRobin)
})

t.test('a walk asks each endpoint once, and an empty list nobody', async t => {
  const random = seededRandom(7)
  for (const settings of [
    'round-robin',
    'least-request',
    'pick-first',
    { kind: 'least-request', choices: 9 },
  ] as const) {
    for (const weights of [[], [1], [1, 1], [3, 1, 2], [1, 1, 1, 1, 1, 1, 1, 8]]) {
      const all = fakes(weights)
      const balancer = makerOf(settings)(endpointsOf(all), { clock: new FakeClock(), random }, 0)
      for (let i = 0; i < 200; i++) {
        for (const fake of all) {
          fake.inFlight = Math.floor(random() * 4)
          fake.failing = random() < 0.3
        }
        const asked = [...walk(balancer)].sort().join('')
        if (asked !== all.map(({ name }) => name).join('')) t.fail(`${JSON.stringify(settings)} asks ${asked}`)
      }
    }
  }
  t.pass()
})

t.test('least request: the one with fewer calls of those that it looks at', async t => {
  const all = fakes([1, 1, 1])
  ;[all[0]!.inFlight, all[1]!.inFlight, all[2]!.inFlight] = [5, 2, 9]
  const chosen = (...chances: number[]) =>
    first(new LeastRequest(endpointsOf(all), chances.length, () => chances.shift()!)).name
  t.equal(chosen(0, 0.4), 'b')
  t.equal(chosen(0.4, 0), 'b')
  t.equal(chosen(0, 0.9), 'a')
  t.equal(chosen(0.9, 0.9), 'b', 'two different ones')
  const weighted = fakes([10, 1, 1])
  ;[weighted[0]!.inFlight, weighted[1]!.inFlight] = [5, 2]
  const chances = [0, 0.9]
  t.equal(
    first(new LeastRequest(endpointsOf(weighted), 2, () => chances.shift()!)).name,
    'a',
    'for its weight a has fewer',
  )
})

t.test('least request: calls pile up nowhere, and weights have their parts', async t => {
  const random = seededRandom(3)
  const all = fakes([1, 1, 1, 1, 2, 4])
  const balancer = new LeastRequest(endpointsOf(all), 2, random)
  const open: Fake[] = []
  for (let i = 0; i < 20_000; i++) {
    const endpoint = first(balancer)
    endpoint.inFlight++
    open.push(endpoint)
    if (open.length > 1_000) open.splice(Math.floor(random() * open.length), 1)[0]!.inFlight--
  }
  // 1,000 calls over weights of 10.
  for (const { name, inFlight, weight } of all)
    t.ok(Math.abs(inFlight / weight - 100) < 15, `${name}: ${inFlight} for ${weight}`)
})

t.test('least request: one that fails looks idle, and its calls go to all others alike', async t => {
  const random = seededRandom(5)
  const all = fakes([1, 1, 1, 1, 1])
  all[2]!.failing = true
  const balancer = new LeastRequest(endpointsOf(all), 2, random)
  const count: Record<string, number> = {}
  let asked = 0
  for (let i = 0; i < 10_000; i++) {
    let at = first(balancer)
    if (at.failing) {
      asked++
      at = balancer.next() as unknown as Fake
    }
    count[at.name] = (count[at.name] ?? 0) + 1
  }
  t.ok(asked > 1_000, 'it is asked, and so dialled again')
  for (const name of 'abde') t.ok(Math.abs(count[name]! - 2_500) < 300, `${name} has ${count[name]}`)
})

t.test('least request: calls that wait for an endpoint that is being dialled count', async t => {
  const rig = new BackendRig({ endpoints: 'ab', balancer: { kind: 'least-request', choices: 2 } })
  let times = 0
  rig.random = () => (times++ % 2) / 2
  const calls = rig.calls(10)
  rig.session('a').ready()
  rig.session('b').ready()
  t.same(shares(calls), { a: 5, b: 5 })
  t.same(
    rig.backend.endpoints.map(({ awaited }) => awaited),
    [0, 0],
  )
  rig.backend.close()
})

t.test('pick first: in the order of the list', async t => {
  t.equal(walk(new PickFirst(endpointsOf(fakes([1, 1, 1])))), 'abc')
})

t.test(
  'pick first: the next has the calls while the first fails or is full, and the first when it is back',
  async t => {
    const rig = new BackendRig({ endpoints: 'ab', balancer: 'pick-first' })
    const [one] = rig.calls(1)
    t.equal(rig.dials('b'), 0, 'the spare is not dialled')
    rig.session('a').ready(2)
    t.same([one!.at, rig.call().at], ['a', 'a'])
    const third = rig.call()
    rig.session('b').ready(2)
    t.equal(third.at, 'b', 'the first is full')
    rig.session('a').closed('gone')
    t.equal(rig.call().at, 'b')
    rig.session('a').ready(2)
    t.equal(rig.call().at, 'a')
    rig.backend.close()
  },
)

t.test('another balancer may come while calls run', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm()
  t.same(shares(rig.calls(4)), { a: 2, b: 2 })
  rig.update({ balancer: 'pick-first' })
  t.same(shares(rig.calls(4)), { a: 4 })
  t.equal(rig.dials('a') + rig.dials('b'), 2, 'the sessions stay')
})
