/** How calls are divided among priorities and localities, as numbers: the tables of Envoy, and parts made of endpoints. */
import t from 'tap'
import { endpointSpecs } from '../../../src/backend/endpoint-source.ts'
import { localityShares } from '../../../src/backend/select/locality.ts'
import { partsOf, type Selectable } from '../../../src/backend/select/parts.ts'
import { levelShares } from '../../../src/backend/select/priority.ts'
import { seededRandom } from '../../../src/bench/random.ts'
import { named } from '../rig.ts'

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
