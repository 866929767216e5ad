/** What every balancer keeps, whatever it chooses by. */
import t from 'tap'
import { type BalancerSettings, DEFAULTS } from '../../../src/backend/balance/kinds.ts'
import { BalancerRig, type FakeCall, type FakeEndpoint } from './fake-endpoints.ts'

/** Nothing of a call is asked for its hash here: the test says it. */
const key = 'method'

interface Case {
  readonly settings: BalancerSettings
  /** Standard deviation of an endpoint's share because of how the places lie, as a part of the share. */
  readonly placing?: number
  /** It does not share calls out. */
  readonly inOrder?: true
  /** Random numbers that a walk draws. */
  readonly drawn?: number
  /** It has the calls of a place elsewhere only where it must. */
  readonly hashes?: true
}

const CASES: readonly Case[] = [
  { settings: 'round-robin' },
  { settings: { kind: 'round-robin' } },
  { settings: 'pick-first', inOrder: true },
  { settings: 'least-request', drawn: 2 },
  { settings: { kind: 'least-request', choices: 9 }, drawn: 9 },
  { settings: 'peak-ewma', drawn: 2 },
  { settings: { ...DEFAULTS['peak-ewma'], choices: 5 }, drawn: 5 },
  { settings: 'weighted-round-robin' },
  { settings: { kind: 'ring-hash', key, pointsPerWeight: 256 }, placing: 1 / 16, hashes: true },
  { settings: { kind: 'ring-hash', key, pointsPerWeight: 1 }, placing: 1, hashes: true },
  { settings: { kind: 'ring-hash', key, pointsPerWeight: 256, boundedLoad: 1.25 }, placing: 1 / 16 },
  { settings: { kind: 'maglev', key, tableSize: 65_537 }, hashes: true },
  { settings: { kind: 'maglev', key, tableSize: 3 }, placing: 1, hashes: true },
  { settings: { kind: 'maglev', key, tableSize: 65_537, boundedLoad: 1.05 } },
]

const WEIGHTS = [[1], [1, 1], [3, 1, 2], [1, 1, 1, 1, 1, 1, 1, 8], new Array<number>(100).fill(1), [0.001, 1000]]

/** So many calls one after the other, of which `open` are in flight at any time. */
function serve(rig: BalancerRig, calls: number, open: number): Map<FakeEndpoint, number> {
  const counts = new Map<FakeEndpoint, number>(rig.endpoints.map(endpoint => [endpoint, 0]))
  const inFlight: FakeCall[] = []
  for (let i = 0; i < calls; i++) {
    const call = rig.call()
    counts.set(call.endpoint, counts.get(call.endpoint)! + 1)
    inFlight.push(call)
    rig.clock.advance(1)
    if (inFlight.length > open) rig.end(inFlight.shift()!)
  }
  for (const call of inFlight) rig.end(call)
  return counts
}

for (const { settings, placing = 0, inOrder = false, drawn = 0, hashes = false } of CASES) {
  t.test(JSON.stringify(settings), async t => {
    t.test('an empty list has nobody', async t => {
      const rig = new BalancerRig(settings, [])
      t.equal(rig.first(), undefined)
      t.equal(rig.first(), undefined)
    })

    t.test('a walk asks each endpoint once, whatever they are like', async t => {
      for (const weights of WEIGHTS) {
        const rig = new BalancerRig(settings, weights)
        for (let i = 0; i < 100; i++) {
          for (const endpoint of rig.endpoints) {
            endpoint.inFlight = Math.floor(rig.random() * 4)
            endpoint.awaited = Math.floor(rig.random() * 2)
            endpoint.failing = rig.random() < 0.3
          }
          const asked = rig.walk()
          if (asked.length !== weights.length || new Set(asked).size !== weights.length)
            t.fail(`of ${weights.length} it asks ${asked.length}, ${new Set(asked).size} different ones`)
          if (rig.next() !== undefined) t.fail('the walk is not over')
        }
      }
    })

    if (inOrder) return

    t.test('endpoints that are alike have the same calls', async t => {
      for (const [count, open] of [
        [3, 0],
        [10, 0],
        [10, 100],
      ] as const) {
        const rig = new BalancerRig(settings, new Array<number>(count).fill(1), count + open)
        const calls = 2_000 * count
        // Five times the standard deviation of chance, and of how the places lie.
        const most = 5 * Math.sqrt(2_000 + (placing * 2_000) ** 2)
        for (const [{ name }, had] of serve(rig, calls, open))
          if (Math.abs(had - 2_000) > most) t.fail(`${name} has ${had} calls of 2,000, ${open} in flight`)
      }
    })

    if (placing < 1) {
      t.test('weights have their parts', async t => {
        const weights = [1, 2, 4, 1]
        const rig = new BalancerRig(settings, weights, 7)
        const counts = serve(rig, 16_000, 64)
        rig.endpoints.forEach((endpoint, i) => {
          const part = 2_000 * weights[i]!
          const had = counts.get(endpoint)!
          t.ok(Math.abs(had - part) < 5 * Math.sqrt(part + (placing * part) ** 2) + part / 20, `${had} of ${part}`)
        })
      })

      t.test('the calls of one that fails go to all others, not to a neighbour', async t => {
        for (let failing = 0; failing < 8; failing++) {
          const rig = new BalancerRig(settings, new Array<number>(8).fill(1), failing + 1)
          const before = serve(rig, 16_000, 0)
          rig.endpoints[failing]!.failing = true
          const counts = serve(rig, 16_000, 0)
          t.equal(counts.get(rig.endpoints[failing]!), 0)
          if (!('kind' in Object(settings)) && settings !== 'least-request' && settings !== 'peak-ewma') continue
          for (const [endpoint, had] of counts) {
            // 2,000 before, and a seventh of the other 2,000.
            if (endpoint.failing) continue
            const more = had - before.get(endpoint)!
            if (more < 0 || more > 900) t.fail(`${endpoint.name} has ${more} of 2,000 more, with ${failing} failing`)
          }
        }
      })
    }

    t.test('a list that is made again of the same endpoints goes on as before', async t => {
      const rig = new BalancerRig(settings, new Array<number>(10).fill(1), 3)
      const hash = () => Math.floor(rig.random() * 2 ** 31)
      if (hashes) {
        const before = Array.from({ length: 1_000 }, hash).map(one => [one, rig.first(one)] as const)
        rig.rebuild(rig.endpoints.toReversed())
        for (const [one, endpoint] of before) if (rig.first(one) !== endpoint) t.fail('a key has another endpoint')
      }
      const calls = 20_000
      const counts = new Map<FakeEndpoint, number>()
      for (let i = 0; i < calls; i++) {
        if (i % 997 === 0) rig.rebuild()
        const call = rig.call()
        counts.set(call.endpoint, (counts.get(call.endpoint) ?? 0) + 1)
        rig.end(call)
      }
      if (placing < 1) t.equal(counts.size, 10)
    })

    t.test('a walk allocates nothing', async t => {
      const rig = new BalancerRig(settings, new Array<number>(8).fill(1), 5)
      const most = 4 + drawn * NUMBER_BYTES
      const bytes = leastBytesPerWalk(rig, most)
      t.ok(bytes < most, `${bytes} bytes a walk`)
    })
  })
}

const WALKS = 50_000
const MOST_ROUNDS = 40
/** What V8 takes for a number with a fraction, where the function that yields it is not inlined. */
const NUMBER_BYTES = 16

/** Of the rounds the one with the least: before the code is compiled, each number takes some bytes. */
function leastBytesPerWalk({ balancer }: BalancerRig, enough: number): number {
  const call = { hash: 0 } as Parameters<typeof balancer.first>[0] & { hash: number }
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < MOST_ROUNDS && least >= enough; round++) {
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < WALKS; i++) {
      call.hash = (i * 40_503) & 0x7fffffff
      balancer.first(call)
      balancer.next()
      balancer.next()
    }
    const bytes = process.memoryUsage().heapUsed - before
    if (bytes >= 0) least = Math.min(least, bytes / WALKS)
  }
  return least
}
