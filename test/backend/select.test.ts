/** Which endpoints calls go to: levels of priority, localities, subsets, slow start, panic. */
import t from 'tap'
import type { Balancer } from '../../src/backend/balance/balancer.ts'
import { RoundRobin } from '../../src/backend/balance/round-robin.ts'
import type { Waiter } from '../../src/backend/client-share.ts'
import { type Endpoint, UNCHECKED } from '../../src/backend/endpoint.ts'
import { endpointSpecs } from '../../src/backend/endpoint-source.ts'
import { DividedBalancer } from '../../src/backend/select/divided.ts'
import { localityShares } from '../../src/backend/select/locality.ts'
import { partsOf, type Selectable } from '../../src/backend/select/parts.ts'
import { levelShares } from '../../src/backend/select/priority.ts'
import { warmthAfter } from '../../src/backend/select/slow-start.ts'
import { subsetOf } from '../../src/backend/select/subset.ts'
import { seededRandom } from '../../src/bench/random.ts'
import { BackendRig, named, shares, type Told } from './rig.ts'

const percent = (share: number) => Math.round(share * 100)

/** Levels of a hundred endpoints, so many of which can be used. */
function levelsOf(usable: readonly number[], panicThreshold = 0.5) {
  return levelShares(
    usable.map(each => ({ total: 100, usable: each })),
    panicThreshold,
  )
}

t.test('priorities: the tables of Envoy', async t => {
  // "Priority levels": P=0, P=1, P=2 healthy, and the traffic to each.
  const tables: readonly (readonly [healthy: readonly number[], traffic: readonly number[]])[] = [
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 100],
      [100, 0],
    ],
    [
      [71, 100],
      [99, 1],
    ],
    [
      [50, 100],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [0, 100],
      [0, 100],
    ],
    [
      [72, 72],
      [100, 0],
    ],
    [
      [71, 71],
      [99, 1],
    ],
    [
      [50, 50],
      [70, 30],
    ],
    [
      [25, 25],
      [50, 50],
    ],
    [
      [100, 100, 100],
      [100, 0, 0],
    ],
    [
      [72, 72, 100],
      [100, 0, 0],
    ],
    [
      [71, 71, 100],
      [99, 1, 0],
    ],
    [
      [50, 50, 100],
      [70, 30, 0],
    ],
    [
      [25, 100, 100],
      [35, 65, 0],
    ],
    [
      [25, 25, 100],
      [35, 35, 30],
    ],
    // It says 28 for the last one, so that the sum is 100.
    [
      [25, 25, 20],
      [36, 36, 29],
    ],
  ]
  for (const [healthy, traffic] of tables) {
    const got = levelsOf(healthy, 0)
    t.same(
      got.map(({ share }) => percent(share)),
      traffic,
      `${healthy}`,
    )
    t.ok(Math.abs(got.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-9)
  }
})

t.test('panic: the tables of Envoy', async t => {
  // "Panic threshold": P=0 and P=1 healthy, the traffic to each, and who is in panic.
  const tables = [
    [72, 72, 100, false, 0, false],
    [71, 71, 99, false, 1, false],
    [25, 100, 35, false, 65, false],
    [0, 100, 0, false, 100, false],
    [25, 25, 50, true, 50, true],
    [5, 65, 7, true, 93, false],
  ] as const
  for (const [zero, one, toZero, zeroPanics, toOne, onePanics] of tables) {
    const [first, second] = levelsOf([zero, one])
    const got = [percent(first!.share), first!.panics, percent(second!.share), second!.panics]
    t.same(got, [toZero, zeroPanics, toOne, onePanics], `${zero} % and ${one} %`)
  }
  t.same(
    [levelsOf([50]), levelsOf([49]), levelsOf([0])].map(([level]) => level!.panics),
    [false, true, true],
    'a single level: with less than half',
  )
})

t.test('panic in all levels: each has calls for its size, as nothing else is known of them', async t => {
  const levels = [
    { total: 30, usable: 0 },
    { total: 10, usable: 0 },
  ]
  t.same(levelShares(levels, 0.5), [
    { share: 0.75, panics: true },
    { share: 0.25, panics: true },
  ])
  t.same(
    levelShares(levels, 0),
    [
      { share: 1, panics: false },
      { share: 0, panics: false },
    ],
    'and with a threshold of 0 there is no panic',
  )
})

t.test('what can be used is counted by weight', async t => {
  t.same(
    levelShares(
      [
        { total: 10, usable: 1 },
        { total: 10, usable: 10 },
      ],
      0.5,
    ).map(({ share }) => percent(share)),
    [14, 86],
  )
  // 5 of 7 is just enough, also where the sums of weights are fractions.
  const tenth = 0.1 + 0.1 + 0.1 + 0.1 + 0.1
  t.equal(
    levelShares(
      [
        { total: tenth + 0.2, usable: tenth },
        { total: 1, usable: 1 },
      ],
      0.5,
    )[0]!.share,
    1,
  )
})

t.test('localities: calls stay until the own endpoints would have 1.4 times their part', async t => {
  const of = (own: number, others: readonly number[], share?: number) => {
    const usable = new Map([['own', own], ...others.map((weight, i) => [`other ${i}`, weight] as const)])
    return [...localityShares(usable, { own: 'own', share }).values()].map(part => Math.round(part * 1_000) / 10)
  }
  t.same(of(10, [10, 10]), [100])
  t.same(of(8, [10, 10]), [100])
  t.same(of(7, [11, 12]), [98, 0.7, 1.3], 'a 30th part of the endpoints is missing')
  t.same(of(5, [10, 10]), [84, 8, 8])
  t.same(of(1, [10, 10]), [20, 40, 40])
  t.same(of(0, [10, 10]), [0, 50, 50])
  t.same(of(5, [15]), [70, 30])
  t.same(of(10, [10, 10], 1), [46.7, 26.7, 26.7], 'all proxies are here')
  t.same(of(10, [2, 18], 1 / 2), [93.3, 0, 6.7], 'one that has too few itself takes none')
  t.same(of(10, [], 0.2), [100])
})

t.test('localities: every endpoint has about the same to do, whatever the sizes', async t => {
  const random = seededRandom(11)
  for (let round = 0; round < 300; round++) {
    const sizes = Array.from({ length: 2 + Math.floor(random() * 4) }, () => 1 + Math.floor(random() * 40))
    const usable = new Map(sizes.map((size, i) => [`${i}`, size]))
    const total = sizes.reduce((sum, size) => sum + size, 0)
    const load = new Map(sizes.map((_, i) => [`${i}`, 0]))
    // A proxy in each locality sends the same.
    for (const own of usable.keys())
      for (const [to, share] of localityShares(usable, { own })) load.set(to, load.get(to)! + share / sizes.length)
    for (const [name, size] of usable) {
      const more = load.get(name)! / (size / total)
      if (more > 1.4 + 1e-9) t.fail(`${sizes}: an endpoint of ${name} has ${more} times the mean`)
    }
  }
  t.pass()
})

interface FakeEndpoint extends Selectable {
  readonly name: string
}

function fake(name: string, priority = 0, locality = '', weight = 1, is: 'barred' | 'failing' | '' = ''): FakeEndpoint {
  const [spec] = endpointSpecs([{ ...named(name), priority, locality, weight }])
  const bars = new Map(is === 'barred' ? [['health' as const, 'it hangs']] : [])
  return { name, spec: spec!, bars, barred: is === 'barred', failing: is === 'failing' }
}

const DEFAULT = { panicThreshold: 0.5, locality: undefined }

function told(all: readonly FakeEndpoint[], settings: Parameters<typeof partsOf>[1] = DEFAULT): string {
  return partsOf(all, settings)
    .map(({ endpoints, share }) => `${endpoints.map(({ name }) => name).join('')} ${percent(share)}`)
    .join(', ')
}

t.test('parts: the order is the list’s, and nobody is in two', async t => {
  t.equal(told([fake('a'), fake('b'), fake('c')]), 'abc 100')
  t.equal(told([]), '')
  t.equal(told([fake('a', 1), fake('b'), fake('c', 1)]), 'b 100', 'a lower level has nothing to do')
  t.equal(told([fake('a', 70), fake('b', 3, '', 1, 'barred'), fake('c', 3)]), 'c 70, a 30', 'levels may be any numbers')
  t.equal(told([fake('a', 0, '', 1, 'failing'), fake('b', 0), fake('c', 1)]), 'ab 70, c 30', 'a is dialled again')
  t.equal(told([fake('a', 0, '', 1, 'barred'), fake('b', 1)]), 'b 100')
})

t.test('parts: weight 0 takes no calls, and is no loss to its level', async t => {
  t.equal(told([fake('a', 0, '', 0), fake('b'), fake('c', 1)]), 'b 100')
  t.equal(told([fake('a', 0, '', 0), fake('b', 1)]), 'b 100')
  t.equal(told([fake('a', 0, '', 0)]), '')
})

t.test('parts: panic', async t => {
  const bad = (name: string, priority = 0) => fake(name, priority, '', 1, 'barred')
  t.equal(told([bad('a'), bad('b'), fake('c')]), 'abc 100')
  t.equal(told([bad('a'), fake('b'), fake('c')]), 'bc 100')
  t.equal(told([bad('a'), bad('b'), fake('c', 1)]), 'c 100', 'not while another level can take all')
  t.equal(told([bad('a'), bad('b'), bad('c', 1)]), 'ab 67, c 33')
  const never = { ...DEFAULT, panicThreshold: 0 }
  t.equal(told([bad('a'), bad('b'), fake('c')], never), 'c 100')
  t.equal(told([bad('a'), bad('b')], never), '')
  t.equal(told([bad('a'), fake('b', 1, '', 1, 'failing')], never), 'b 100', 'it cannot be reached now, and may be soon')
})

t.test('parts: localities within each level', async t => {
  const here = { panicThreshold: 0.5, locality: { own: 'x' } }
  const two = [fake('a', 0, 'x'), fake('b', 0, 'y')]
  t.equal(told(two, here), 'a 100, b 0')
  t.equal(told(two, { ...here, locality: { own: 'z' } }), 'ab 100', 'there is nothing of its own')
  t.equal(told([fake('a', 0, 'x'), fake('b', 0, 'y'), fake('c', 0, 'y'), fake('d', 0, 'y')], here), 'a 70, bcd 30')
  const down = [fake('a', 0, 'x', 1, 'barred'), fake('b', 0, 'y'), fake('c', 1, 'y'), fake('d', 1, 'x')]
  t.equal(told(down, here), 'b 70, d 30, c 0', 'level 0 is half there, and level 1 has something of its own')
  const panic = [fake('a', 0, 'x', 1, 'barred'), fake('b', 0, 'y', 1, 'barred'), fake('c', 0, 'x')]
  t.equal(told(panic, here), 'abc 100', 'in a panic all are used alike')
  t.equal(told([fake('a', 0, 'x', 1, 'failing'), fake('b', 0, 'y')], here), 'b 100, a 0')
})

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

function specsOf(count: number, of: (i: number) => { weight?: number; priority?: number } = () => ({})) {
  return endpointSpecs(
    Array.from({ length: count }, (_, i) => ({
      name: `http://10.0.${i >> 8}.${i & 255}:50051`,
      tcp: { host: `10.0.${i >> 8}.${i & 255}`, port: 50051 },
      ...of(i),
    })),
  )
}

const idOf = (proxy: number) => `proxy-${proxy}:${1_000 + proxy}`

t.test('subsets: a thousand proxies spread over a thousand endpoints as chance would', async t => {
  const all = specsOf(1_000)
  const times = new Map(all.map(({ key }) => [key, 0]))
  for (let proxy = 0; proxy < 1_000; proxy++) {
    const subset = subsetOf(all, { size: 20, id: idOf(proxy) })
    if (subset.length !== 20 || new Set(subset).size !== 20) t.fail('it has 20')
    for (const { key } of subset) times.set(key, times.get(key)! + 1)
  }
  const counts = [...times.values()]
  const variance = counts.reduce((sum, count) => sum + (count - 20) ** 2, 0) / counts.length
  // Binomial with 1,000 tries of 20 in 1,000: variance 19.6, of which the sample of 1,000 may be 15 % off.
  t.ok(Math.abs(variance - 19.6) < 3, `variance ${variance}`)
  t.ok(
    Math.max(...counts) < 20 + 6 * 4.43 && Math.min(...counts) > 0,
    `${Math.min(...counts)} to ${Math.max(...counts)}`,
  )
})

t.test('subsets: one endpoint that comes or goes changes one entry where it is, and none elsewhere', async t => {
  const all = specsOf(1_000)
  const without = all.filter((_, i) => i !== 500)
  let moved = 0
  for (let proxy = 0; proxy < 1_000; proxy++) {
    const settings = { size: 20, id: idOf(proxy) }
    const before = new Set(subsetOf(all, settings))
    const after = subsetOf(without, settings)
    const fresh = after.filter(spec => !before.has(spec)).length
    if (fresh !== (before.has(all[500]!) ? 1 : 0)) t.fail(`${fresh} of proxy ${proxy}`)
    moved += fresh
  }
  t.ok(moved > 0 && moved < 50, `${moved} of 20,000 sessions move`)
})

t.test('subsets: the same proxy has the same one, whatever the order of the list, and another has another', async t => {
  const all = specsOf(300)
  const names = (id: string, list = all) =>
    subsetOf(list, { size: 10, id })
      .map(({ address }) => address.name)
      .sort()
  t.same(names('host:1'), names('host:1', all.toReversed()))
  t.notSame(names('host:1'), names('host:2'))
  const subset = subsetOf(all, { size: 10, id: 'host:1' })
  t.same(
    subset,
    all.filter(spec => subset.includes(spec)),
    'in the order of the list',
  )
  t.equal(subsetOf(all, { size: 300, id: 'host:1' }), all, 'a small list is used as it is')
})

t.test('subsets: each level of priority has its own, and weight 0 takes no place', async t => {
  const levels = specsOf(100, i => ({ priority: i < 90 ? 0 : 1 }))
  const subset = subsetOf(levels, { size: 20, id: 'a' })
  t.same(Map.groupBy(subset, ({ priority }) => priority).get(0)!.length, 20)
  t.same(Map.groupBy(subset, ({ priority }) => priority).get(1)!.length, 10)
  const settings = { size: 10, id: 'a' }
  const before = subsetOf(specsOf(100), settings)
  const drained = specsOf(100, i => ({
    weight: `${i}` === `${Number(before[3]!.address.tcp!.host.split('.')[3])}` ? 0 : 1,
  }))
  const after = subsetOf(drained, settings)
  t.same([after.length, after.filter(({ weight }) => weight > 0).length], [11, 10])
  for (const { key } of before)
    t.ok(
      after.some(spec => spec.key === key),
      'who was there stays',
    )
})

t.test('slow start: the curve', async t => {
  const of = (aggression: number) =>
    [0, 10, 50, 90, 100, 200].map(ageMs => {
      const warmth = warmthAfter(ageMs, { windowMs: 100, minWeight: 0.1, aggression })
      return Math.round(warmth * 100) / 100
    })
  t.same(of(1), [0.1, 0.1, 0.5, 0.9, 1, 1])
  t.same(of(2), [0.1, 0.32, 0.71, 0.95, 1, 1])
  t.same(of(0.5), [0.1, 0.1, 0.25, 0.81, 1, 1])
})

/** How many of so many calls go to each; they are over at once. */
function after(rig: BackendRig, calls: number): Record<string, number> {
  const all = rig.calls(calls)
  for (const { stream } of all) stream?.close({ kind: 'clean' })
  return shares(all)
}

const SLOW_START = { windowMs: 10_000, minWeight: 0.1, aggression: 1 }

t.test('slow start: not for the first list; one that is new has its part after the window', async t => {
  const rig = new BackendRig({ endpoints: 'ab', slowStart: SLOW_START })
  rig.warm(10_000)
  t.equal(rig.clock.pending, 0, 'nothing warms')
  t.same(after(rig, 1_000), { a: 500, b: 500 })
  rig.setEndpoints('abc')
  rig.backend.endpoints[2]!.connect()
  rig.session('c').ready(10_000)
  t.same(
    rig.backend.endpoints.map(({ weight }) => weight),
    [1, 1, 0.1],
  )
  const timers = rig.clock.pending
  rig.setEndpoints('abcd')
  t.equal(rig.clock.pending, timers, 'one timer for all')
  rig.setEndpoints('abc')
  const near = (got: number | undefined, wanted: number) => t.ok(Math.abs(got! - wanted) <= 2, `${got} of ${wanted}`)
  near(after(rig, 2_100).c, 100)
  rig.clock.advance(5_000)
  near(after(rig, 2_500).c, 500)
  rig.clock.advance(5_000)
  t.same(
    rig.backend.endpoints.map(({ weight }) => weight),
    [1, 1, 1],
  )
  t.same(after(rig, 3_000), { a: 1_000, b: 1_000, c: 1_000 })
  t.equal(rig.clock.pending, 0, 'and nothing is left')
})

t.test('slow start: for one that was barred or could not be reached, and not in a panic', async t => {
  const rig = new BackendRig({ endpoints: 'abc', slowStart: SLOW_START })
  rig.warm(10_000)
  const weights = () => rig.backend.endpoints.map(({ weight }) => weight)
  rig.endpoint('a').bar('outlier', 'it fails')
  rig.endpoint('a').unbar('outlier')
  t.same(weights(), [0.1, 1, 1])
  rig.clock.advance(20_000)
  for (const endpoint of rig.backend.endpoints) endpoint.bar('health', 'nobody is well')
  for (const endpoint of rig.backend.endpoints) endpoint.unbar('health')
  t.same(weights().sort(), [0.1, 1, 1], 'the first one was not used any more, the others were all the time')
  rig.clock.advance(20_000)
  rig.session('b').closed('gone')
  after(rig, 3)
  rig.session('b').closed('ECONNREFUSED')
  t.same(weights(), [1, 1, 1])
  rig.clock.advance(2_000)
  after(rig, 3)
  rig.session('b').ready(10_000)
  t.same(weights(), [1, 0.1, 1], 'it is back')
  rig.session('c').closed('GOAWAY')
  after(rig, 3)
  rig.session('c').ready(10_000)
  t.same(weights(), [1, 0.1, 1], 'a session that was replaced is no failure')
  rig.update({ slowStart: undefined })
  t.same(weights(), [1, 1, 1])
  rig.backend.close()
  t.equal(rig.clock.pending, 0)
})

t.test('slow start: one that is slow to connect at first has not failed', async t => {
  const rig = new BackendRig({ endpoints: 'ab', slowStart: SLOW_START })
  rig.calls(2)
  rig.clock.advance(300)
  rig.session('a').ready(10)
  rig.session('b').ready(10)
  t.same(
    rig.backend.endpoints.map(({ weight }) => weight),
    [1, 1],
  )
})

/** Two levels of ten, each with a session. */
function twoLevels(options: ConstructorParameters<typeof BackendRig>[0] = {}): BackendRig {
  const rig = new BackendRig(options)
  rig.tell(
    ...[...'abcdefghij'].map((name): Told => ({ name })),
    ...[...'ABCDEFGHIJ'].map((name): Told => ({ name, priority: 1 })),
  )
  for (const endpoint of rig.backend.endpoints) {
    endpoint.connect()
    rig.session(endpoint.address.name).ready(10_000)
    rig.session(endpoint.address.name).answered = true
  }
  return rig
}

const toLower = (counts: Record<string, number>) =>
  Object.entries(counts).reduce((sum, [name, count]) => (name < 'a' ? sum + count : sum), 0)

t.test('priorities: lower levels take over in proportion as endpoints are barred, and give back', async t => {
  const rig = twoLevels()
  t.equal(toLower(after(rig, 1_000)), 0)
  const wanted = [0, 0, 20, 160, 300, 440, 580, 720, 860, 1_000]
  ;[...'abcdefghij'].forEach((name, i) => {
    rig.endpoint(name).bar('health', 'it hangs')
    const lower = toLower(after(rig, 1_000))
    t.ok(Math.abs(lower - wanted[i]!) <= 3, `${lower} of ${wanted[i]} with ${i + 1} of 10`)
  })
  for (const name of 'abc') rig.endpoint(name).unbar('health')
  t.ok(Math.abs(toLower(after(rig, 1_000)) - 580) <= 3)
  for (const name of 'defghij') rig.endpoint(name).unbar('health')
  t.equal(toLower(after(rig, 1_000)), 0)
})

t.test(
  'priorities: endpoints that cannot be reached are dialled again by themselves, and have their calls back',
  async t => {
    const rig = twoLevels()
    for (const name of 'abcdefghij') rig.session(name).closed('gone')
    // They restart: the first call to each finds nobody.
    for (let round = 0; round < 12; round++) {
      after(rig, 10)
      for (const name of 'abcdefghij') {
        const session = rig.session(name)
        if (!session.isReady) session.closed('ECONNREFUSED')
      }
    }
    t.equal(toLower(after(rig, 1_000)), 1_000)
    const dials = rig.dials('a')
    rig.clock.advance(130_000)
    t.ok(rig.dials('a') > dials, 'without a call')
    for (const name of 'abcdefghij') rig.session(name).ready(10_000)
    t.equal(toLower(after(rig, 1_000)), 0)
    t.ok(rig.backend.endpoints.every(({ failing }) => !failing))
  },
)

t.test('priorities: a call that waits for a level that fails is placed again at the next one', async t => {
  const rig = new BackendRig()
  rig.tell({ name: 'a' }, { name: 'b', priority: 1 })
  const calls = rig.calls(3)
  t.equal(rig.dials('b'), 0)
  rig.session('a').closed('ECONNREFUSED')
  rig.session('b').ready(10)
  t.same(shares(calls), { b: 3 })
})

t.test('priorities: a level that is full is no reason to use the next one', async t => {
  const rig = new BackendRig({ sessions: { max: 1, reserve: 0 } })
  rig.tell({ name: 'a' }, { name: 'b', priority: 1 })
  const [first] = rig.calls(1)
  rig.session('a').ready(1)
  const second = rig.call()
  t.equal(rig.dials('b'), 0)
  t.equal(rig.backend.waiting, 1)
  first!.stream!.close({ kind: 'clean' })
  t.equal(second.at, 'a')
})

t.test('priorities: room at a level without a share is not for calls that wait', async t => {
  const rig = new BackendRig({ sessions: { max: 1, reserve: 0 } })
  rig.tell({ name: 'a' }, { name: 'b', priority: 1 })
  rig.endpoint('a').bar('health', 'it hangs')
  const [atB] = rig.calls(1)
  rig.session('b').ready(1)
  rig.endpoint('a').unbar('health')
  rig.calls(1)
  rig.session('a').ready(1)
  const waits = rig.call()
  atB!.stream!.close({ kind: 'clean' })
  t.equal(waits.at, undefined)
})

t.test('localities: another one is used when no own endpoint may get a session any more', async t => {
  const rig = new BackendRig({ locality: { own: 'x' }, sessions: { max: 2, reserve: 0 } })
  rig.tell({ name: 'a', locality: 'x' }, { name: 'b', locality: 'y' })
  const calls = rig.calls(1)
  rig.session('a').ready(1)
  calls.push(rig.call())
  t.equal(rig.dials('b'), 0, 'a second session of its own is on its way')
  rig.session('a').ready(1)
  calls.push(rig.call())
  t.equal(rig.dials('b'), 1)
  rig.session('b').ready(10)
  t.same(shares(calls), { a: 2, b: 1 })
})

t.test('subsets: endpoints outside are not made, and another size moves few', async t => {
  const rig = new BackendRig({ endpoints: 'abcdefghijklmnop', subset: { size: 5, id: 'one' }, sessions: { ready: 1 } })
  const names = () => rig.backend.endpoints.map(({ address }) => address.name)
  const before = names()
  t.equal(before.length, 5)
  t.equal(rig.transport.sessions.length, 5, 'no session goes elsewhere')
  rig.update({ endpoints: 'abcdefghijklmnop', subset: { size: 6, id: 'one' }, sessions: { ready: 1 } })
  t.same([names().length, names().filter(name => before.includes(name)).length], [6, 5])
  rig.setEndpoints('abcdefghijklmnop'.replace(before[0]!, ''))
  t.same([names().length, names().filter(name => before.includes(name)).length], [6, 4])
  rig.update({ subset: undefined, endpoints: 'abc' })
  t.same(names(), ['a', 'b', 'c'])
})

t.test('subsets: settings that bring a subset and a longer list make no endpoint outside of it', async t => {
  const rig = new BackendRig({ endpoints: 'ab', sessions: { ready: 1 } })
  const all = 'abcdefghijklmnop'
  rig.update({ endpoints: all, subset: { size: 2, id: 'one' }, sessions: { ready: 1 } })
  const inside = rig.backend.endpoints.map(({ address }) => address.name)
  for (const name of all) if (!`${inside}ab`.includes(name)) t.equal(rig.dials(name), 0, name)
})

t.test('panic: with too few usable all are used, and with threshold 0 calls fail and say why', async t => {
  const rig = new BackendRig({ endpoints: 'abc', panicThreshold: 0.5 })
  rig.warm(1_000)
  rig.endpoint('a').bar('health', 'it says NOT_SERVING')
  t.same(after(rig, 30), { b: 15, c: 15 })
  rig.endpoint('b').bar('outlier', 'it fails')
  t.same(after(rig, 30), { a: 10, b: 10, c: 10 })
  rig.update({ endpoints: 'abc', panicThreshold: 0 })
  t.same(after(rig, 30), { c: 30 })
  rig.endpoint('c').bar('outlier', 'it hangs')
  t.same(rig.call().failed, ['unreachable', 'a: it says NOT_SERVING; b: it fails; c: it hangs'])
  rig.endpoint('c').unbar('outlier')
  t.same(after(rig, 30), { c: 30 })
})

t.test('endpoints that have just come and are not checked are no loss: no panic, and no lower priority', async t => {
  const rig = twoLevels()
  const told = [...'abcdefghij'].map((name): Told => ({ name }))
  const fresh = [...'klmnopqrstuvwxyz'].map((name): Told => ({ name }))
  rig.tell(...told, ...fresh, { name: 'A', priority: 1 })
  for (const { name } of fresh) rig.endpoint(name).bar('health', UNCHECKED)
  t.same(new Set(Object.values(after(rig, 1_000))), new Set([100]), 'the ten from before')
  for (const { name } of fresh) rig.endpoint(name).bar('health', 'it hangs')
  const lower = toLower(after(rig, 1_000))
  t.ok(Math.abs(lower - 470) <= 3, `10 of 26 can be used: 53 %, and ${lower} of 1,000 calls go to the next priority`)
})

t.test('panic: an endpoint that is back may end it', async t => {
  const rig = new BackendRig({ endpoints: 'abcd' })
  rig.warm(1_000)
  rig.endpoint('a').bar('health', 'it hangs')
  rig.endpoint('b').bar('health', 'it hangs')
  rig.session('c').closed('gone')
  after(rig, 8)
  rig.session('c').closed('ECONNREFUSED')
  t.same(Object.keys(after(rig, 30)).sort(), ['a', 'b', 'd'], 'one of four can be used')
  rig.clock.advance(5_000)
  rig.session('c').ready(1_000)
  t.same(after(rig, 30), { c: 15, d: 15 })
})

t.test('weight 0 takes no new calls, and its calls go on', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm(1_000)
  const before = rig.calls(2)
  rig.tell({ name: 'a', weight: 0 }, { name: 'b' })
  t.same(after(rig, 10), { b: 10 })
  t.ok(before.every(({ stream }) => !stream!.over))
  rig.tell({ name: 'a', weight: 0 }, { name: 'b', weight: 0 })
  t.same(rig.call().failed, ['unreachable', 'a: its weight is 0; b: its weight is 0'])
  rig.tell({ name: 'a', weight: 3 }, { name: 'b' })
  t.same(after(rig, 40), { a: 30, b: 10 })
})

t.test('a failure names some endpoints, not thousands', async t => {
  const rig = new BackendRig({ endpoints: 'abcdefghijklm' })
  for (let round = 0; round < 13; round++) {
    rig.call()
    for (const { address } of rig.backend.endpoints)
      if (rig.dials(address.name) > 0 && !rig.session(address.name).isReady) rig.session(address.name).closed('refused')
  }
  t.match(rig.call().failed?.[1], /^a: refused; .*j: refused; and 3 more$/)
})

t.test('a rolling deploy with slow start: nobody has more than its weight says, and no call is lost', async t => {
  const rig = new BackendRig({ endpoints: 'abcdefghij', slowStart: SLOW_START })
  rig.warm(10_000)
  let names = 'abcdefghij'
  for (const name of 'ABCDEFGHIJ') {
    names = names.slice(1) + name
    rig.setEndpoints(names)
    rig.endpoint(name).connect()
    rig.session(name).ready(10_000)
    for (let i = 0; i < 4; i++) {
      rig.clock.advance(500)
      const count = after(rig, 1_000)
      t.equal(count.nowhere, undefined)
      const sum = rig.backend.endpoints.reduce((all, { weight }) => all + weight, 0)
      for (const { address, weight } of rig.backend.endpoints) {
        const wanted = (1_000 * weight) / sum
        const got = count[address.name] ?? 0
        if (Math.abs(got - wanted) > 2) t.fail(`${address.name} has ${got} of ${wanted}`)
      }
    }
  }
  rig.clock.advance(10_000)
  t.same(new Set(Object.values(after(rig, 1_000))), new Set([100]))
})

t.test('whatever is barred, lost and listed: each group and each endpoint has its share', async t => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed)
    const any = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
    const settings = {
      panicThreshold: any([0, 0.3, 0.5]),
      locality: any([undefined, { own: 'x' }, { own: 'y', share: 0.6 }]),
    }
    const rig = new BackendRig({ endpoints: '', ...settings })
    rig.random = random
    const some = () =>
      [...'abcdefghijklmnop']
        .filter(() => random() < 0.7)
        .map(
          (name): Told => ({
            name,
            weight: any([0, 1, 1, 2, 5]),
            priority: any([0, 0, 1, 2]),
            locality: any(['x', 'y', 'z']),
          }),
        )
    rig.tell(...some())
    for (let step = 0; step < 40; step++) {
      const endpoint = any(rig.backend.endpoints)
      const session = endpoint && rig.transport.to(endpoint.address.name).at(-1)
      const what = any(['bar', 'bar', 'unbar', 'unbar', 'list', 'lose'])
      if (what === 'list') rig.tell(...some())
      else if (what === 'bar') endpoint?.bar('health', 'it hangs')
      else if (what === 'unbar') endpoint?.unbar('health')
      else if (session?.isReady) session.closed('gone')
      else session?.closed('ECONNREFUSED')
      // All but those that are down at this moment answer.
      for (const each of rig.backend.endpoints) if (!each.failing && each.state !== 'ready') each.connect()
      for (const each of rig.transport.sessions) {
        if (!each.isReady && each.destroys === 0 && random() < 0.8) each.ready(10_000)
        each.answered = true
      }
      const parts = partsOf(rig.backend.endpoints, { ...settings, locality: settings.locality })
      const reachable = parts.map(({ endpoints }) => endpoints.filter(each => each.state === 'ready'))
      // Where a whole part is being dialled, its calls are elsewhere for the moment.
      if (reachable.some((those, i) => those.length < parts[i]!.endpoints.length)) continue
      const count = after(rig, 600)
      parts.forEach(({ endpoints, share }) => {
        const sum = endpoints.reduce((all, { weight }) => all + weight, 0)
        let got = 0
        for (const { address, weight } of endpoints) {
          const calls = count[address.name] ?? 0
          got += calls
          const wanted = (600 * share * weight) / sum
          if (Math.abs(calls - wanted) > 6)
            t.fail(`seed ${seed}, step ${step}: ${address.name} has ${calls} of ${wanted}`)
        }
        if (Math.abs(got - 600 * share) > 4) t.fail(`seed ${seed}, step ${step}: a part has ${got} of ${600 * share}`)
      })
    }
    rig.backend.close()
  }
  t.pass()
})
