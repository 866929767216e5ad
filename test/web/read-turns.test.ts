/** Who may read files now. */
import t from 'tap'
import { ReadTurns } from '../../src/web/read-turns.ts'

/** Reads that end when the test says so. */
function reading(turns: ReadTurns) {
  const begun: string[] = []
  const ends: (() => void)[] = []
  const read = (who: object, name: string, reader = {}) =>
    turns.in(who, reader, () => {
      begun.push(name)
      return new Promise<string>(resolve => ends.push(() => resolve(name)))
    })
  const end = async () => {
    ends.shift()!()
    await new Promise(setImmediate)
  }
  return { begun, read, end }
}

t.test('one that asks for a hundred files has two at once, and another one is next', async t => {
  const { begun, read, end } = reading(new ReadTurns(2))
  const [greedy, other, third] = [{}, {}, {}]
  const all = Array.from({ length: 100 }, (_, i) => read(greedy, `greedy ${i}`))
  const others = [read(other, 'other 0'), read(other, 'other 1'), read(third, 'third 0')]
  t.same(begun, ['greedy 0', 'greedy 1'])
  for (let i = 0; i < 7; i++) await end()
  t.same(begun.slice(2), ['greedy 2', 'other 0', 'third 0', 'greedy 3', 'other 1', 'greedy 4', 'greedy 5'])
  for (let i = 7; i < 103; i++) await end()
  t.equal((await Promise.all([...all, ...others])).length, 103, 'and each is read once')
  t.equal(begun.length, 103)
})

t.test('one that fails gives its place to the next', async t => {
  const turns = new ReadTurns(1)
  const failed = turns.in({}, {}, () => Promise.reject(new Error('EIO')))
  const next = turns.in({}, {}, async () => 'read')
  await t.rejects(failed, { message: 'EIO' })
  t.equal(await next, 'read')
  t.equal(await turns.in({}, {}, async () => 'again'), 'again')
})

t.test('who leaves waits no more, and the turns of the others go on', async t => {
  const turns = new ReadTurns(1)
  const { begun, read, end } = reading(turns)
  const [one, other, first, second] = [{}, {}, {}, {}]
  void read(one, 'first', first)
  void read(one, 'left', second)
  void read(other, 'left too', second)
  void read(other, 'last')
  turns.leave(one, second)
  turns.leave(other, second)
  turns.leave(one, first)
  await end()
  t.same(begun, ['first', 'last'])
  await end()
  t.equal(await turns.in(one, first, async () => 'free'), 'free')
})
