/** Numbers of calls that several workers keep together. */
import t from 'tap'
import { seededRandom } from '../../src/bench/random.ts'
import { MAX_TOLD_KEYS, MAX_WAITING_KEYS } from '../../src/gates/shared-counts.ts'
import { limited } from './gate-crew.ts'

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
