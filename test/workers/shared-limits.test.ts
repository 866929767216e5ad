/** Rates that several workers keep together: the exchange, with a clock that the test turns. */
import t from 'tap'
import { seededRandom } from '../../src/bench/random.ts'
import { MAX_TOLD_KEYS, MAX_WAITING_KEYS, PassedCounts } from '../../src/gates/shared-counts.ts'
import { call } from '../gates/rig.ts'
import { type CrewOfGates, limited, type Member, rated, STEP_MS } from './gate-crew.ts'

t.test('workers keep a rate together: over a minute at ten times the rate, within 2 %', async t => {
  for (const [workers, perSecond] of [
    [2, 100],
    [4, 300],
    [16, 200],
  ] as const) {
    const burst = perSecond / 20
    const crew = await rated(workers, { perSecond, burst })
    const random = seededRandom(workers)
    let passed = -burst
    for (let ms = 0; ms < 60_000; ms += STEP_MS) {
      for (let i = 0; i < perSecond / 10; i++) {
        const worker = crew.members[Math.floor(random() * workers)]!
        if (worker.passes(call())) passed++
      }
      await crew.pass(STEP_MS)
    }
    const share = passed / (60 * perSecond)
    t.ok(Math.abs(share - 1) <= 0.02, `${workers} workers, ${perSecond} a second, besides one burst: ${share}`)
  }
})

t.test('what workers let pass at once before they hear of each other is waited for', async t => {
  const crew = await rated(3, { perSecond: 10, burst: 20 })
  const offered = () => crew.members.filter(member => member.passes(call())).length
  let passed = 0
  for (let i = 0; i < 30; i++) passed += offered()
  t.equal(passed, 60, 'each has the burst')
  await crew.pass(100)
  let waitedMs = 100
  for (; offered() === 0; waitedMs += 10) await crew.pass(10)
  t.ok(waitedMs > 3_500 && waitedMs < 4_100, `the two bursts that were too many are four seconds: ${waitedMs}`)
})

t.test('calls at the rate, shared out among workers, are not refused', async t => {
  const crew = await rated(2, { perSecond: 100, burst: 10 })
  let refused = 0
  for (let ms = 0; ms < 10_000; ms += 10) {
    if (!crew.members[(ms / 10) % 2]!.passes(call())) refused++
    await crew.pass(10)
  }
  t.equal(refused, 0)
})

/** Calls of one key at two workers: at each of them so many milliseconds apart. @returns how many were refused */
async function steady(crew: CrewOfGates, forMs: number, apartMs: number, meanwhile = () => {}): Promise<number> {
  const info = () => call({ metadata: [['x-a', 'steady']] })
  let refused = 0
  for (let ms = 0; ms < forMs; ms += STEP_MS) {
    meanwhile()
    if (ms % apartMs === 0) refused += crew.members.slice(0, 2).filter(member => !member.passes(info())).length
    await crew.pass(STEP_MS)
  }
  return refused
}

t.test('a primary that stood still: who called at the rate meanwhile is not refused afterwards', async t => {
  const crew = await rated(2, { perSecond: 10, burst: 10 })
  crew.standsStill()
  t.equal(await steady(crew, 20_000, 500), 0)
  crew.goesOn()
  t.equal(await steady(crew, 5_000, 500), 0)
})

t.test('keys without end at one worker do not have another client refused whose calls wait behind them', async t => {
  const crew = await rated(16, { perSecond: 10, burst: 10, key: 'metadata:x-a' })
  let key = 0
  const flood = () => {
    for (let i = 0; i < 50; i++) crew.members[0]!.passes(call({ metadata: [['x-a', String(key++)]] }))
  }
  t.equal(await steady(crew, 10_000, 250, flood), 0)
})

t.test('one after the other: a worker that has not seen a key knows that it is over its rate', async t => {
  const crew = await rated(2, { perSecond: 1, burst: 5, key: 'metadata:x-a' })
  const of = (value: string) => call({ metadata: [['x-a', value]] })
  for (let i = 0; i < 5; i++) t.ok(crew.members[0]!.passes(of('a')))
  await crew.pass(100)
  t.notOk(crew.members[1]!.passes(of('a')))
  t.ok(crew.members[1]!.passes(of('b')), 'another key is another rate')
})

t.test('nobody asks while nothing is counted', async t => {
  const crew = await rated(4, { perSecond: 100 })
  await crew.pass(60_000)
  const { asked } = crew
  await crew.pass(60_000)
  t.equal(crew.asked, asked)
  crew.members[0]!.passes(call())
  await crew.pass(60_000)
  t.ok(crew.asked > asked)
  t.ok(crew.asked <= asked + 16, `${crew.asked - asked} questions for one call`)
  t.equal(crew.clock.pending, 0, 'no timer is left')
})

t.test('keys without end: a message has a bound, and so has what waits', async t => {
  const crew = await rated(2, { perSecond: 1, burst: 1, key: 'metadata:x-a' })
  let key = 0
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 3_000; i++) crew.members[0]!.passes(call({ metadata: [['x-a', String(key++)]] }))
    await crew.pass(50)
  }
  t.equal(crew.members[0]!.mostTold, MAX_TOLD_KEYS)
  t.equal(crew.members[1]!.mostTold, MAX_TOLD_KEYS)
  const waiting = new PassedCounts(() => {})
  for (let i = 0; i < 3 * MAX_WAITING_KEYS; i++) waiting.passed(String(i))
  let taken = 0
  for (let some = waiting.take(MAX_TOLD_KEYS); some.length > 0; some = waiting.take(MAX_TOLD_KEYS)) taken += some.length
  t.equal(taken, MAX_WAITING_KEYS)
  for (let i = 0; i < 100; i++) await crew.pass(50)
  t.equal(crew.clock.pending, 0, 'all was told in the end')
})

t.test('of many workers each tells a part: together no more than each of them is told', async t => {
  const crew = await rated(5, { perSecond: 1, burst: 1, key: 'metadata:x-a' })
  let key = 0
  let most = 0
  for (const member of crew.members) {
    const answer = member.answer.bind(member)
    member.answer = question => {
      const told = answer(question)
      most = Math.max(most, ...told.gates.map(({ counts }) => counts.length))
      return told
    }
    for (let i = 0; i < 3_000; i++) member.passes(call({ metadata: [['x-a', String(key++)]] }))
  }
  await crew.pass(2_000)
  t.equal(most, MAX_TOLD_KEYS / 4)
  t.equal(crew.clock.pending, 0, 'all was told in the end')
})

t.test('a worker that does not answer holds up no other, and what waits for it has a bound', async t => {
  const crew = await rated(3, { perSecond: 1, burst: 1, key: 'metadata:x-a' })
  crew.members[2]!.answer = () => new Promise(() => {}) as never
  const of = (value: string) => call({ metadata: [['x-a', value]] })
  crew.members[0]!.passes(of('a'))
  await crew.pass(100)
  t.notOk(crew.members[1]!.passes(of('a')))
  t.ok(crew.members[2]!.passes(of('a')), 'it goes by its own')
  const { asked } = crew
  await crew.pass(10_000)
  t.ok(crew.asked - asked <= 450, 'one question at a time')
})

t.test('a worker that is not ready for a while, as in a change of the configuration, is asked again', async t => {
  const crew = await rated(2, { perSecond: 0.1, burst: 3 })
  const [one, other] = crew.members as [Member, Member]
  t.ok(one.passes(call()))
  await crew.pass(60)
  one.isReady = false
  t.ok(one.passes(call()))
  await crew.pass(1_500)
  t.ok(one.passes(call()))
  one.isReady = true
  await crew.pass(200)
  t.notOk(other.passes(call()), 'it has heard of all three')
})

t.test('a worker that could not answer is told all anew', async t => {
  const { crew, begin } = limited(2, 2)
  await crew.pass(200)
  const second = crew.members[1]!
  const answer = second.answer.bind(second)
  second.answer = () => Promise.reject(new Error('it could not')) as never
  t.ok(begin(1))
  t.ok(begin(1))
  await crew.pass(200)
  second.answer = answer
  await crew.pass(200)
  t.notOk(begin(2))
})
