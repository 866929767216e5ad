/** Ring hash and Maglev: which keys move when the list changes, and how calls are bound. Theory stands beside each figure. */
import t from 'tap'
import type { BalancerSettings } from '../../../src/backend/balance/kinds.ts'
import { Maglev } from '../../../src/backend/balance/maglev.ts'
import { MAX_POINTS, Ring } from '../../../src/backend/balance/ring.ts'
import { hashText } from '../../../src/routing/hash.ts'
import { BalancerRig, type FakeCall, type FakeEndpoint } from './fake-endpoints.ts'

const KEYS = 20_000
const hashes = Array.from({ length: KEYS }, (_, i) => hashText(`user-${i}`) >>> 1)

type Placing = ReadonlyMap<number, FakeEndpoint>

function placing(rig: BalancerRig): Placing {
  return new Map(hashes.map(hash => [hash, rig.first(hash)!]))
}

interface Moved {
  /** Of all keys: those that the one that left had. */
  readonly its: number
  /** Of all keys: those that moved from one that stays to another that stays. */
  readonly others: number
}

/** One leaves. */
function moved(rig: BalancerRig, left: FakeEndpoint): Moved {
  const before = placing(rig)
  rig.rebuild(rig.endpoints.filter(endpoint => endpoint !== left))
  let [its, others] = [0, 0]
  for (const [hash, endpoint] of before) {
    if (endpoint === left) its++
    else if (rig.first(hash) !== endpoint) others++
  }
  rig.rebuild()
  for (const [hash, endpoint] of before)
    if (rig.first(hash) !== endpoint) throw new Error('it is back, its keys are not')
  return { its: its / KEYS, others: others / KEYS }
}

const RING: BalancerSettings = { kind: 'ring-hash', key: 'method', pointsPerWeight: 256 }
const MAGLEV: BalancerSettings = { kind: 'maglev', key: 'method', tableSize: 65_537 }

const ones = (count: number) => new Array<number>(count).fill(1)

t.test('one of N leaves: only its keys move on a ring, and few others on a table', async t => {
  for (const count of [2, 3, 10, 100, 1_000]) {
    const rings = new BalancerRig(RING, ones(count))
    const tables = new BalancerRig(MAGLEV, ones(count))
    for (const at of [0, count >> 1, count - 1]) {
      const ring = moved(rings, rings.endpoints[at]!)
      const table = moved(tables, tables.endpoints[at]!)
      t.comment(`${count}: theory ${1 / count}; ring ${JSON.stringify(ring)}, Maglev ${JSON.stringify(table)}`)
      t.equal(ring.others, 0, `${count}: nothing else moves on the ring`)
      // The share of one is 1/N, with a standard deviation of 1/16 of that for 256 points, and that of counting keys.
      const most = (1 / count) * (1 + 5 / 16) + 5 * Math.sqrt(1 / count / KEYS)
      t.ok(ring.its < most, `${count}: ${ring.its} of the keys were its own`)
      t.ok(table.its < 1 / count + 5 * Math.sqrt(1 / count / KEYS), `${count}: ${table.its} of the keys were its own`)
      // The paper's figure 12: with 65,537 places and 1,000 backends, of which one fails, about 1 % of the others' move.
      t.ok(table.others < 0.03, `${count}: ${table.others} of the keys moved besides`)
    }
  }
})

t.test('a ring that has reached its bound: about as many move again', async t => {
  const count = (4 * MAX_POINTS) / 256
  const rig = new BalancerRig(RING, ones(count))
  for (const at of [0, 1, 2]) {
    const { its, others } = moved(rig, rig.endpoints[at]!)
    t.ok(its + others < 6 / 64, `${its + others}, where one of 64 points of each may go`)
  }
})

t.test('weights: one that leaves among unequal ones moves little else', async t => {
  const weights = Array.from({ length: 50 }, (_, i) => 1 + (i % 5))
  for (const settings of [RING, MAGLEV]) {
    const rig = new BalancerRig(settings, weights)
    const { its, others } = moved(rig, rig.endpoints[4]!)
    t.ok(Math.abs(its - 5 / 150) < 0.012, `${its} of 0.033`)
    t.ok(others < 0.04, `${others} besides`)
  }
})

t.test('a weight that grows takes keys, and gives none away', async t => {
  const rig = new BalancerRig(RING, ones(20))
  const before = placing(rig)
  rig.endpoints[3]!.weight = 2
  rig.rebuild()
  let taken = 0
  for (const [hash, endpoint] of before) {
    const now = rig.first(hash)
    if (now === endpoint) continue
    if (now !== rig.endpoints[3]) t.fail('a key moved elsewhere')
    taken++
  }
  t.ok(Math.abs(taken / KEYS - (2 / 21 - 1 / 20)) < 0.015, `${taken / KEYS}`)
})

t.test('proxies agree, whatever order their lists have', async t => {
  for (const settings of [RING, MAGLEV]) {
    const one = new BalancerRig(settings, ones(50), 1)
    const other = new BalancerRig(settings, ones(50), 2)
    other.rebuild(other.endpoints.toSorted(() => other.random() - 0.5))
    for (const hash of hashes.slice(0, 2_000)) {
      if (one.first(hash)!.name !== other.first(hash)!.name) t.fail('they do not')
      if (one.next()!.name !== other.next()!.name) t.fail('they do not, where the first cannot')
    }
  }
  t.pass()
})

t.test('the same address twice is two endpoints; two of the same name have places of their own', async t => {
  for (const settings of [RING, MAGLEV]) {
    const rig = new BalancerRig(settings, ones(4))
    for (const endpoint of rig.endpoints.slice(0, 2)) {
      Object.assign(endpoint, { address: { name: 'twin' }, spec: { key: '["twin"]' }, known: {} })
    }
    Object.assign(rig.endpoints[3]!, {
      address: rig.endpoints[2]!.address,
      spec: { key: `${rig.endpoints[2]!.spec.key}#2` },
    })
    for (const endpoint of rig.endpoints) delete endpoint.known.hash
    rig.rebuild()
    const counts = new Map<FakeEndpoint, number>()
    for (const endpoint of placing(rig).values()) counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1)
    t.equal(counts.size, 4)
    for (const count of counts.values()) t.ok(count > KEYS / 8, `${count} of ${KEYS / 4}`)
  }
})

t.test('the keys of one that cannot take calls are spread over all others, and each has one other', async t => {
  for (const settings of [RING, MAGLEV]) {
    const rig = new BalancerRig(settings, ones(20))
    const failing = rig.endpoints[7]!
    failing.failing = true
    const counts = new Map<FakeEndpoint, number>()
    let its = 0
    for (const hash of hashes) {
      if (rig.first(hash) !== failing) continue
      its++
      const next = rig.next()!
      if (rig.walk(hash)[1] !== next) t.fail('another one the next time')
      counts.set(next, (counts.get(next) ?? 0) + 1)
    }
    t.equal(counts.size, 19)
    for (const count of counts.values()) t.ok(count < its / 5, `${count} of ${its}`)
  }
})

t.test('Maglev: all have the same number of places, to within one', async t => {
  for (const [count, size] of [
    [7, 65_537],
    [100, 251],
    [65_537, 65_537],
  ] as const) {
    const places = new Uint32Array(count)
    const maglev = new Maglev(
      Uint32Array.from({ length: count }, (_, i) => hashText(`${i}`)),
      new Float64Array(count).fill(2),
      size,
    )
    for (const owner of maglev.owners) places[owner]!++
    t.ok(Math.max(...places) - Math.min(...places) <= 1, `${count} in ${size}`)
  }
})

t.test('weights that differ much: a heavy one has its places, a light one at least a point', async t => {
  const hashesOf = Uint32Array.from({ length: 3 }, (_, i) => hashText(`${i}`))
  const weights = Float64Array.of(1_000, 1, 0.001)
  const count = (owners: Uint32Array) => [0, 1, 2].map(owner => owners.filter(at => at === owner).length)
  t.same(count(new Maglev(hashesOf, weights, 65_537).owners), [65_472, 65, 0], 'of 65,537: 65,471.4, 65.5 and 0.07')
  const ring = new Ring(hashesOf, weights, 256)
  t.same(count(ring.owners), [256_000, 256, 1])
  const [heavy, one, light] = count(new Ring(hashesOf, weights, 1_024).owners)
  t.same([one, light], [Math.round(MAX_POINTS / 1001.001), 1])
  t.ok(heavy! + one! + light! <= MAX_POINTS + 3, 'the bound')
})

t.test('bounded load: however a key is used, no endpoint has more than its part times the factor', async t => {
  for (const factor of [1.05, 1.25, 2]) {
    for (const settings of [RING, MAGLEV]) {
      for (const weights of [ones(3), ones(20), [4, 2, 1, 1]]) {
        const rig = new BalancerRig({ ...(settings as object), boundedLoad: factor } as BalancerSettings, weights, 9)
        const sum = weights.reduce((all, weight) => all + weight, 0)
        const open: FakeCall[] = []
        // Half of all calls have one key.
        for (let i = 0; i < 5_000; i++) {
          open.push(rig.call(rig.random() < 0.5 ? 12_345 : undefined))
          if (open.length > 500) rig.end(open.splice(Math.floor(rig.random() * open.length), 1)[0]!)
          if (i < 500) continue
          for (const endpoint of rig.endpoints) {
            // Calls are counted each quarter of N walks, so there may be that many that have ended since.
            const part = ((open.length + Math.ceil(weights.length / 4)) * endpoint.weight) / sum
            if (endpoint.inFlight > Math.ceil(part * factor)) t.fail(`${endpoint.inFlight} of ${part} times ${factor}`)
          }
        }
      }
    }
  }
  t.pass()
})

t.test('bounded load: what is below its part keeps its keys', async t => {
  const rig = new BalancerRig({ ...(RING as object), boundedLoad: 1.25 } as BalancerSettings, ones(10))
  const plain = new BalancerRig(RING, ones(10))
  for (const endpoint of rig.endpoints) endpoint.inFlight = 100
  rig.endpoints[4]!.inFlight = 140
  rig.rebuild()
  for (const hash of hashes.slice(0, 1_000)) {
    const home = plain.first(hash)!.name
    const at = rig.first(hash)!
    if (home === rig.endpoints[4]!.name ? at === rig.endpoints[4] : at.name !== home) t.fail(`${home} has ${at.name}`)
  }
  t.pass()
})
