/** Which endpoints of a backend calls go to, as its settings, its source and what is known of them change. */
import t from 'tap'
import { UNCHECKED } from '../../src/backend/endpoint.ts'
import { partsOf } from '../../src/backend/select/parts.ts'
import { warmthAfter } from '../../src/backend/select/slow-start.ts'
import { seededRandom } from '../../src/bench/random.ts'
import { BackendRig, shares, type Told } from './rig.ts'

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
