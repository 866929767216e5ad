import t from 'tap'
import { CONTENDERS } from '../../../bench/subjects/all.ts'
import { BALANCED } from '../../../bench/subjects/balancers.ts'
import { TREATED } from '../../../bench/subjects/treated.ts'
import type { WorldOptions } from '../../../bench/subjects/world.ts'
import { catalogue, select } from '../../../bench/suite/catalogue.ts'
import { durationText, estimateSeconds } from '../../../bench/suite/estimate.ts'
import { NOT_SHORT, parseRunOptions } from '../../../bench/suite/options.ts'
import { fakeScenario, PLAIN } from './fakes.ts'

const ALL = catalogue({ load: 'h2load', backend: 'nghttpd' })
const OWN = catalogue({ load: 'own', backend: 'own' })
const names = (scenarios: readonly { name: string }[]): string[] => scenarios.map(({ name }) => name)
const MINUTE = 60

t.test('names are single, and do not depend on who loads and answers', async t => {
  t.equal(new Set(names(ALL)).size, ALL.length)
  t.strictSame(names(ALL), names(OWN))
  for (const { load, world } of OWN) t.strictSame([load, world.backend], ['own', 'own'])
})

t.test('a name selects its scenario or its family', async t => {
  t.strictSame(names(select(ALL, ['m10'])), ['m10'])
  t.strictSame(names(select(ALL, ['tls'])), ['tls-m1', 'tls-m10', 'tls-m100', 'tls-bulk'])
  t.strictSame(names(select(ALL, ['bulk', 'm1'])), ['m1', 'bulk'])
  t.equal(select(ALL, []).length, ALL.length)
  t.throws(() => select(ALL, ['m11']), { name: 'RangeError', message: /no scenario "m11"; there are m1, m10/ })
})

t.test('what h2load cannot do is our own load, before our own backend', async t => {
  for (const name of ['stream', 'headers-m10', 'latency', 'idle', 'connect']) {
    const [scenario] = select(ALL, [name])
    t.strictSame([scenario!.load, scenario!.world.backend], ['own', 'own'], name)
  }
  t.strictSame([select(ALL, ['m10'])[0]!.load, select(ALL, ['m10'])[0]!.world.backend], ['h2load', 'nghttpd'])
})

t.test('each curve has at least three points, each at another place', async t => {
  const curves = Map.groupBy(
    ALL.filter(({ curve }) => curve !== undefined),
    ({ curve }) => curve!.name,
  )
  t.strictSame([...curves.keys()].sort(), [
    'connections',
    'endpoints',
    'header size',
    'message size',
    'routes',
    'streams',
  ])
  for (const [name, points] of curves) {
    t.ok(points.length >= 3, name)
    t.equal(new Set(points.map(({ curve }) => curve!.at)).size, points.length, name)
  }
})

t.test('only this project has routes to configure', async t => {
  const [scenario] = select(ALL, ['routes-1000'])
  const taking = CONTENDERS.filter(contender => scenario!.unfit!(contender) === undefined)
  t.strictSame(names(taking).sort(), ['frames', 'frames-native', 'native', 'native-frames'])
})

t.test('the balancers are compared with each other only', async t => {
  const scenarios = select(ALL, ['balance'])
  t.strictSame(names(scenarios), ['balance-3', 'balance-100'])
  for (const scenario of scenarios) {
    t.ok(BALANCED.every(contender => scenario.unfit!(contender) === undefined))
    t.ok(CONTENDERS.every(contender => scenario.unfit!(contender) !== undefined))
  }
  t.ok(names(BALANCED).includes('by-round-robin'), 'beside it the others are compared')
})

t.test('gates by token are measured with calls that carry them, all else of it with any', async t => {
  const [plain, signed] = select(ALL, ['m100', 'signed-m100'])
  const taking = (world: WorldOptions) => names(TREATED.filter(one => one.unfit?.(world) === undefined))
  const asking = ['with-jwt', 'with-jwt-limit-timeout']
  t.strictSame(
    taking(plain!.world),
    names(TREATED).filter(name => !asking.includes(name)),
  )
  t.strictSame(taking(signed!.world), names(TREATED))
})

t.test('the estimate adds up', async t => {
  const diary = { happened: [] }
  const pace = { seconds: 2, warmUpSeconds: 1 }
  const scenario = fakeScenario(diary, () => ({}))
  const plan = { scenarios: [scenario], subjects: () => 3, rounds: 5, pace, syscalls: false }
  // A world of 1 s with three starts of 0.6 s; a second to warm up and five rounds of 2 s for each.
  t.equal(estimateSeconds(plan), 1 + 3 * 0.6 + 3 * (1 + 5 * 2))
  t.equal(estimateSeconds({ ...plan, scenarios: [scenario, scenario] }), 1 + 3 * 0.6 + 2 * 3 * (1 + 5 * 2))
  const elsewhere = { ...scenario, world: { ...PLAIN, backends: 3 } }
  t.equal(estimateSeconds({ ...plan, scenarios: [scenario, elsewhere] }), 2 * estimateSeconds(plan))
  t.equal(estimateSeconds({ ...plan, syscalls: true }), estimateSeconds(plan) + 3 * 1.5)
  const fresh = { ...scenario, freshProcess: true, maxRounds: 2 }
  t.equal(Math.round(estimateSeconds({ ...plan, scenarios: [fresh] }) * 10) / 10, 1 + 3 * 2 * (0.6 + 1 + 2))
  t.equal(durationText(40.2), 'about 40 seconds')
  t.equal(durationText(8.4 * MINUTE), 'about 8 minutes')
  t.equal(durationText(150 * MINUTE), 'about 2.5 hours')
})

t.test('the short form takes less than ten minutes with all of its subjects, by the estimate', async t => {
  const { rounds, pace } = parseRunOptions([])
  const scenarios = ALL.filter(({ short }) => short === true)
  const count = CONTENDERS.filter(({ name }) => !NOT_SHORT.includes(name)).length
  const seconds = estimateSeconds({ scenarios, subjects: () => count, rounds, pace, syscalls: false })
  t.ok(seconds < 10 * MINUTE, durationText(seconds))
  t.equal(count, CONTENDERS.length - NOT_SHORT.length, 'those that it leaves out are there')
  t.ok(scenarios.length >= 5)
})
