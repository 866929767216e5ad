/** Rates and numbers of calls that several workers keep together: the exchange, with a clock that the test turns. */
import t from 'tap'
import { seededRandom } from '../../src/bench/random.ts'
import { concurrency } from '../../src/gates/concurrency.ts'
import { type RateLimitOptions, rateLimit } from '../../src/gates/rate-limit.ts'
import { MAX_TOLD_KEYS, MAX_WAITING_KEYS, PassedCounts, RunningCounts } from '../../src/gates/shared-counts.ts'
import type { CallInfo, Director } from '../../src/routing/director.ts'
import { Refusal } from '../../src/routing/gate.ts'
import { CountExchange } from '../../src/workers/count-exchange.ts'
import type { CountsAnswer, CountsQuestion } from '../../src/workers/messages.ts'
import { WorkerCounts } from '../../src/workers/worker-counts.ts'
import { call, TARGET } from '../gates/rig.ts'
import { FakeClock } from '../support/fake-clock.ts'

/** A message arrives some time within an exchange. */
const STEP_MS = 10

/** A worker without its process: a gate, and its half of the exchange. */
class Member {
  readonly number: number
  isReady = true
  readonly counts: WorkerCounts
  readonly #director: Director
  /** The longest list of keys that it was told at once. */
  mostTold = 0

  constructor(
    number: number,
    crew: CrewOfGates,
    gate: (onCounted: () => void) => [PassedCounts | RunningCounts, Director],
  ) {
    this.number = number
    this.counts = new WorkerCounts(crew.clock, () => crew.exchange.counted())
    const [counts, director] = gate(this.counts.onCounted)
    this.#director = director
    this.counts.shared = new Map([['gate', counts]])
  }

  passes(info: CallInfo): boolean {
    try {
      return this.#director(info) === TARGET
    } catch (error) {
      if (error instanceof Refusal && error.token === 'rate-limited') return false
      throw error
    }
  }

  answer(question: CountsQuestion): CountsAnswer {
    for (const { counts } of question.told) this.mostTold = Math.max(this.mostTold, counts.length)
    const answer = this.counts.answer(question)
    for (const { counts } of answer.gates) this.mostTold = Math.max(this.mostTold, counts.length)
    return answer
  }
}

class CrewOfGates {
  readonly clock = new FakeClock()
  readonly members: Member[] = []
  /** Rounds so far. */
  asked = 0
  /** The primary stands still: what it would do now. */
  #late: (() => void)[] | undefined
  readonly exchange: CountExchange

  constructor() {
    const { clock } = this
    const after = (delayMs: number, fire: () => void) =>
      clock.after(delayMs, () => (this.#late ? this.#late.push(fire) : fire()))
    this.exchange = new CountExchange({ members: this.members, ask: (n, _, given) => this.#ask(n, given) }, {
      ...clock,
      after,
    } as never)
  }

  #ask(number: number, given: CountsQuestion): Promise<CountsAnswer> {
    this.asked++
    return Promise.resolve(this.members.find(one => one.number === number)!.answer(structuredClone(given)))
  }

  standsStill(): void {
    this.#late = []
  }

  goesOn(): void {
    const late = this.#late!
    this.#late = undefined
    for (const fire of late) fire()
  }

  /** A process more, or one that takes the place of another. */
  begins(member: Member): void {
    const at = this.members.findIndex(({ number }) => number === member.number)
    if (at < 0) this.members.push(member)
    else this.members[at] = member
  }

  /** Time passes, and messages arrive. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) {
      this.clock.advance(Math.min(leftMs, STEP_MS))
      for (let i = 0; i < 4; i++) await null
    }
  }
}

/** They have been asked once. */
async function rated(workers: number, options: RateLimitOptions): Promise<CrewOfGates> {
  const crew = new CrewOfGates()
  for (let i = 1; i <= workers; i++) {
    const gate = (onCounted: () => void): [PassedCounts, Director] => {
      const counts = new PassedCounts(onCounted)
      return [counts, rateLimit(options, crew.clock, counts)(() => TARGET)]
    }
    crew.begins(new Member(i, crew, gate))
  }
  await crew.pass(100)
  return crew
}

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

/** Calls that a test ends, by worker. */
function limited(workers: number, max: number) {
  const crew = new CrewOfGates()
  const begun = (number: number) =>
    new Member(number, crew, onCounted => {
      const counts = new RunningCounts(onCounted)
      return [counts, concurrency({ max, key: 'metadata:x-a' }, () => 0.5, counts)(() => TARGET)]
    })
  for (let i = 1; i <= workers; i++) crew.begins(begun(i))
  /** @returns what ends the call; undefined: it was refused */
  const begin = (worker: number, key = 'a'): (() => void) | undefined => {
    let end = () => {}
    const info = { ...call({ metadata: [['x-a', key]] }), onEnd: (told: () => void) => (end = told) } as CallInfo
    return crew.members[worker - 1]!.passes(info) ? () => end() : undefined
  }
  return { crew, begin, begun }
}

t.test('workers keep a number of calls together, and hear when they are over', async t => {
  const { crew, begin } = limited(3, 4)
  const ends = [begin(1), begin(1), begin(2)]
  await crew.pass(100)
  t.ok(begin(3))
  t.notOk(begin(3), 'four are under way')
  await crew.pass(100)
  t.same([begin(1), begin(2), begin(3)], [undefined, undefined, undefined])
  t.ok(begin(1, 'b'), 'another key has its own')
  for (const end of ends) end!()
  await crew.pass(100)
  t.ok(begin(3))
  t.ok(begin(3))
  t.ok(begin(3))
  t.notOk(begin(3))
})

t.test('calls that come and go cannot leave a number behind', async t => {
  const { crew, begin } = limited(4, 6)
  const random = seededRandom(7)
  const running: (() => void)[] = []
  let most = 0
  for (let i = 0; i < 20_000; i++) {
    const worker = 1 + Math.floor(random() * 4)
    const end = begin(worker, `key ${Math.floor(random() * 3)}`)
    if (end) running.push(end)
    if (random() < 0.5 && running.length > 0) running.splice(Math.floor(random() * running.length), 1)[0]!()
    most = Math.max(most, running.length)
    if (random() < 0.1) await crew.pass(20 * random())
  }
  t.ok(most <= 4 * 6 * 3, 'of n workers n times as many at most')
  for (const end of running) end()
  await crew.pass(1_000)
  t.equal(crew.clock.pending, 0)
  for (const worker of [1, 2, 3, 4]) {
    const six = Array.from({ length: 6 }, () => begin(worker, 'key 0'))
    t.ok(
      six.every(end => end !== undefined),
      `all of the six are free at worker ${worker}`,
    )
    for (const end of six) end!()
    await crew.pass(1_000)
  }
})

t.test('calls of a worker that died count no longer, and the next one learns what runs elsewhere', async t => {
  const { crew, begin, begun } = limited(2, 2)
  t.ok(begin(1))
  t.ok(begin(1))
  await crew.pass(100)
  t.notOk(begin(2))
  crew.members[0]!.isReady = false
  crew.exchange.gone(1)
  await crew.pass(100)
  t.ok(begin(2))
  t.ok(begin(2))
  crew.begins(begun(1))
  await crew.pass(200)
  t.notOk(begin(1))
})

t.test('more keys than may wait for a worker: it is told all anew, and right', async t => {
  const { crew, begin } = limited(2, 1)
  await crew.pass(200)
  let answerNow: () => void = () => {}
  const second = crew.members[1]!
  const answer = second.answer.bind(second)
  second.answer = told => new Promise(resolve => (answerNow = () => resolve(answer(told)))) as never
  const ends: (() => void)[] = []
  for (let i = 0; i < MAX_WAITING_KEYS + 3_000; i++) ends.push(begin(1, `key ${i}`)!)
  for (let i = 0; i < 20; i++) await crew.pass(50)
  for (let i = 0; i < 5_000; i++) ends[i]!()
  for (let i = 0; i < 20; i++) await crew.pass(50)
  second.answer = answer
  answerNow()
  for (let i = 0; i < 60; i++) await crew.pass(50)
  t.ok(begin(2, 'key 0'))
  t.notOk(begin(2, 'key 5000'))
  t.notOk(begin(2, `key ${MAX_WAITING_KEYS + 2_999}`))
  t.ok(second.mostTold <= MAX_TOLD_KEYS)
})

t.test('a primary that stands still: each worker goes by its own calls, and by all again when it answers', async t => {
  const { crew, begin } = limited(2, 2)
  const ends = [begin(1), begin(1)]
  await crew.pass(100)
  t.notOk(begin(2))
  await crew.pass(100)
  crew.standsStill()
  for (const end of ends) end!()
  t.notOk(begin(2), 'nobody has told that they are over')
  await crew.pass(2_000)
  const end = begin(2)
  t.ok(end)
  t.ok(begin(1), 'nobody tells of others')
  crew.goesOn()
  await crew.pass(100)
  t.notOk(begin(1))
  t.notOk(begin(2))
  end!()
  await crew.pass(100)
  t.ok(begin(1))
})
