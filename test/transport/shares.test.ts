/** Who goes on with what it read, turn by turn. Real sockets in real turns: test/abuse/turns.test.ts. */
import t from 'tap'
import { countWork, giveShare, nextTurn, type Waiting, waitForTurn } from '../../src/transport/frames/shares.ts'
import { Work } from '../../src/wire/work.ts'

const SHARE = 1_024
/** So many have a share in one turn. */
const SHARES = 8

/** A connection that read so much; each of its frames costs so many units. */
class Reader implements Waiting {
  readonly work = new Work()
  readonly shared: boolean
  waited = Number.MIN_SAFE_INTEGER
  /** Units done in the turns so far. */
  readonly done: number[] = []
  left: number
  readonly #frame: number
  #waiting = false

  constructor(left: number, { shared = false, frame = 1 } = {}) {
    this.left = left
    this.shared = shared
    this.#frame = frame
  }

  read(): this {
    if (!this.#waiting && this.#work()) {
      this.#waiting = true
      waitForTurn(this)
    }
    return this
  }

  goOn(): boolean {
    this.#waiting = this.#work()
    return this.#waiting
  }

  get total(): number {
    return this.done.reduce((all, one) => all + one, 0)
  }

  #work(): boolean {
    giveShare(this)
    const before = this.work.left
    while (this.left > 0 && this.work.left >= Math.min(this.#frame, 256)) {
      this.work.left -= this.#frame
      this.left -= this.#frame
    }
    countWork(this, before)
    this.done.push(before - this.work.left)
    return this.left > 0
  }
}

/** Turns until all that wait are through. */
function finish(...readers: Reader[]): void {
  for (let turns = 0; readers.some(({ left }) => left > 0); turns++) {
    if (turns > 10_000) throw new Error('they wait for ever')
    nextTurn()
  }
}

const many = (count: number, ...of: ConstructorParameters<typeof Reader>) =>
  Array.from({ length: count }, () => new Reader(...of))

t.test('who reads what usual clients send is not cut', async t => {
  nextTurn()
  t.same(new Reader(700).read().done, [700])
  t.same(new Reader(8).read().done, [8], 'nor the next')
})

t.test('of twenty that have more a turn takes as much as of one, once they wait', async t => {
  nextTurn()
  const all = many(20, 6_000).map(reader => reader.read())
  t.same(
    all.map(({ done }) => done[0]),
    [...new Array(SHARES).fill(SHARE), ...new Array(20 - SHARES).fill(32)],
  )
  let before = all.reduce((sum, { total }) => sum + total, 0)
  for (let turns = 0; turns < 50; turns++) {
    nextTurn()
    const now = all.reduce((sum, { total }) => sum + total, 0)
    // The last may have its least.
    if (now - before >= SHARE + 32) t.fail(`${now - before} units`)
    before = now
  }
  const totals = all.map(({ total }) => total)
  t.ok(Math.max(...totals) - Math.min(...totals) <= 3 * SHARE, `as much of each: ${totals}`)
  finish(...all)
})

t.test('who did not wait just before goes before those who always have more', async t => {
  const all = many(20, 6_000).map(reader => reader.read())
  for (let turns = 0; turns < 10; turns++) nextTurn()
  // Eight others had a share of this turn.
  const busy = many(SHARES, SHARE).map(reader => reader.read())
  const victim = new Reader(250).read()
  t.ok(victim.left > 0, 'it has to wait')
  nextTurn()
  t.equal(victim.left, 0, 'one turn')
  finish(...all, ...busy)
})

t.test('so does a session to a backend; and the others go on all the same', async t => {
  const clients = many(3, 6_000).map(reader => reader.read())
  const backends = many(3, 60_000, { shared: true }).map(reader => reader.read())
  for (let turns = 0; turns < 60; turns++) nextTurn()
  for (const { total } of backends) t.ok(total > 10_000, `a backend: ${total} units`)
  for (const { total } of clients) t.ok(total > 4_000, `a client: ${total} units`)
  finish(...clients, ...backends)
})

t.test('a frame that costs more than a turn has is done, and its debt paid before the next', async t => {
  const blocks = new Reader(20_480, { frame: 4_096 }).read()
  const small = many(5, 2_000).map(reader => reader.read())
  const before = blocks.left
  nextTurn()
  nextTurn()
  t.ok(blocks.left >= before - 4_096, 'no second one meanwhile')
  finish(blocks, ...small)
  t.equal(blocks.left, 0)
})

t.test('frames that all need more than is left wait for their turn, and come to it', async t => {
  const all = many(10, 10_240, { frame: 1_024 }).map(reader => reader.read())
  const backend = new Reader(100_000, { shared: true }).read()
  finish(...all, backend)
  t.pass('nobody waits for ever')
})

t.test('of a thousand at once each has a call', async t => {
  nextTurn()
  const all = many(1_000, 100).map(reader => reader.read())
  const total = all.reduce((sum, { total }) => sum + total, 0)
  t.ok(total < 2 * SHARES * SHARE + 32 + 1_000 * 8, `${total} units`)
  t.ok(
    all.every(({ total }) => total >= 8),
    'each had some',
  )
  finish(...all)
})
