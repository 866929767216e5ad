import t from 'tap'
import type { Contender } from '../../../bench/subjects/contender.ts'
import { contest, type Result, recordOf, roundsOf, stepsOf } from '../../../bench/suite/contest.ts'
import { LeftOut, type Scenario } from '../../../bench/suite/scenario.ts'
import { CPU, type Diary, fakeContender, fakeScenario, fakeWorlds } from './fakes.ts'

const PACE = { seconds: 1, warmUpSeconds: 1 }

async function run(
  scenarios: readonly Scenario[],
  contenders: readonly Contender[],
  diary: Diary,
  more: { rounds?: number; freshProcesses?: boolean; lost?: () => string | undefined; steps?: string[] } = {},
): Promise<Result[]> {
  const results: Result[] = []
  const { rounds = 2, freshProcesses, lost, steps = [] } = more
  const options = { rounds, pace: PACE, freshProcesses, progress: (text: string) => void steps.push(text) }
  for await (const result of contest(scenarios, contenders, { ...options, openWorld: fakeWorlds(diary, lost) })) {
    results.push(result)
  }
  return results
}

t.test('subjects are warmed up and measured in turn, and each round another begins: A B C, B C A', async t => {
  const diary = { happened: [] as string[] }
  const steps: string[] = []
  const scenario = fakeScenario(diary, (_, round) => ({ [CPU.name]: round }))
  const contenders = ['A', 'B', 'C'].map(name => fakeContender(name, diary))
  const [result] = await run([scenario], contenders, diary, { steps })
  t.strictSame(diary.happened, [
    'a world of 1 opens',
    ...['A starts', 'B starts', 'C starts'],
    ...['A warms up', 'B warms up', 'C warms up'],
    ...['A 1', 'B 1', 'C 1', 'B 2', 'C 2', 'A 2'],
    ...['A is killed', 'B is killed', 'C is killed'],
    'the world closes',
  ])
  t.equal(steps.length, stepsOf(scenario, 3, { rounds: 2 }))
  t.equal(steps[3], 'fake: A, round 1 of 2')
  t.strictSame(
    result!.entries.map(({ subject, samples }) => [subject, samples]),
    ['A', 'B', 'C'].map(name => [name, [{ [CPU.name]: 1 }, { [CPU.name]: 2 }]]),
  )
})

t.test('whoever fails is out, with his reason and without a number; the others go on', async t => {
  const diary = { happened: [] as string[] }
  const scenario = fakeScenario(diary, (subject, round) => {
    if (subject === 'B' && round === 2) throw new Error('of 100 calls 99 succeeded')
    return { [CPU.name]: 1 }
  })
  const contenders = ['A', 'B'].map(name => fakeContender(name, diary))
  const [result] = await run([scenario], contenders, diary, { rounds: 3 })
  const [a, b] = result!.entries
  t.equal(a!.samples.length, 3)
  t.strictSame(b, { subject: 'B', samples: [], failure: 'of 100 calls 99 succeeded', histogram: undefined })
  t.notOk(diary.happened.includes('B 3'), 'it is not measured again')
  t.ok(diary.happened.includes('B is killed'))
})

t.test('whoever does not start is out; a backend that is gone is named instead of the subject', async t => {
  const diary = { happened: [] as string[] }
  const start = (): never => {
    throw new Error('ended with 1 before it listened')
  }
  const contenders = [fakeContender('A', diary, { start }), fakeContender('B', diary)]
  const scenario = fakeScenario(diary, () => ({ [CPU.name]: 1 }))
  const [result] = await run([scenario], contenders, diary)
  t.equal(result!.entries[0]!.failure, 'ended with 1 before it listened')
  t.equal(result!.entries[1]!.samples.length, 2)
  const lost = () => 'the backend itself ended'
  const [gone] = await run([scenario], contenders, diary, { lost })
  t.equal(gone!.entries[0]!.failure, 'the backend itself ended')
})

t.test('whose process is gone is out with its last words', async t => {
  const diary = { happened: [] as string[] }
  const child = { pid: -1, isRunning: false, complaint: 'Segmentation fault', kill: async () => {} }
  const start = async () => ({ port: 1, child: child as never })
  const scenario = fakeScenario(diary, () => {
    throw new Error('process 5 is gone')
  })
  const [result] = await run([scenario], [fakeContender('A', diary, { start })], diary)
  t.equal(result!.entries[0]!.failure, 'its process ended: Segmentation fault')
})

t.test('who cannot take part is left out with the reason, and is no failure', async t => {
  const diary = { happened: [] as string[] }
  const scenario = fakeScenario(diary, subject => {
    if (subject === 'C') throw new LeftOut('carries at most 5 calls/s')
    return { [CPU.name]: 1 }
  })
  const unfit = () => 'has no TLS'
  const contenders = [fakeContender('A', diary), fakeContender('B', diary, { unfit }), fakeContender('C', diary)]
  const [result] = await run([scenario], contenders, diary)
  t.strictSame(
    result!.entries.map(({ subject }) => subject),
    ['A'],
  )
  t.strictSame(result!.leftOut, [
    { subject: 'B', why: 'has no TLS' },
    { subject: 'C', why: 'carries at most 5 calls/s' },
  ])
  t.notOk(diary.happened.includes('B starts'))
})

t.test('a scenario may have a fresh process each round, and so may a whole contest', async t => {
  for (const [freshProcess, freshProcesses] of [
    [true, false],
    [false, true],
  ] as const) {
    const diary = { happened: [] as string[] }
    const scenario = fakeScenario(diary, () => ({ [CPU.name]: 1 }), { freshProcess })
    const steps: string[] = []
    await run([scenario], [fakeContender('A', diary), fakeContender('B', diary)], diary, { freshProcesses, steps })
    const round = (name: string) => [`${name} starts`, `${name} warms up`, `${name} 1`, `${name} is killed`]
    const rounds = ['A', 'B', 'B', 'A'].flatMap(round)
    t.strictSame(diary.happened, ['a world of 1 opens', ...rounds, 'the world closes'])
    t.equal(steps.length, stepsOf(scenario, 2, { rounds: 2, freshProcesses }))
  }
})

t.test('latency that is added to direct is of the same round', async t => {
  const diary = { happened: [] as string[] }
  const p50 = (subject: string, round: number): number => (subject === 'direct' ? 100 * round : 100 * round + 7 * round)
  const scenario = fakeScenario(diary, (subject, round) => ({ p50: p50(subject, round) }))
  const contenders = ['direct', 'A'].map(name => fakeContender(name, diary))
  const [result] = await run([scenario], contenders, diary)
  const [direct, a] = result!.entries
  t.strictSame(direct!.samples, [{ p50: 100 }, { p50: 200 }])
  t.strictSame(a!.samples, [
    { p50: 107, 'added p50': 7 },
    { p50: 214, 'added p50': 14 },
  ])
})

t.test('scenarios in one world share its processes, another world has its own', async t => {
  const diary = { happened: [] as string[] }
  const scenario = (name: string, backends: number) =>
    fakeScenario(diary, () => ({ [CPU.name]: 1 }), { name, world: { backends, tls: false } })
  const results = await run([scenario('a', 1), scenario('b', 3), scenario('c', 1)], [fakeContender('A', diary)], diary)
  t.strictSame(
    results.map(({ scenario }) => scenario.name),
    ['a', 'c', 'b'],
  )
  t.equal(diary.happened.filter(what => what === 'A starts').length, 2)
  t.equal(diary.happened.filter(what => what === 'the world closes').length, 2)
})

t.test('a record keeps only metrics that somebody has, and says what was found out', async t => {
  const diary = { happened: [] as string[] }
  const scenario = fakeScenario(diary, () => ({ [CPU.name]: 1 }))
  const [result] = await run([scenario], [fakeContender('A', diary)], diary)
  const record = recordOf({ ...result!, note: 'the rate is 5' })
  t.strictSame(record.metrics, [CPU])
  t.equal(record.title, 'nothing at all; the rate is 5')
  t.equal(record.backend, 'own')
  t.equal(roundsOf({ ...scenario, maxRounds: 3 }, 5), 3)
})
