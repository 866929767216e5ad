/** The end of a turn, and the clock that is read once for all of one. */
import t from 'tap'
import { lastInTurn, loopTurn, turnClock } from '../../src/transport/turn.ts'
import { FakeClock } from '../support/fake-clock.ts'

/** The next turn of the loop, with whatever is to be done at the end of this one done. */
const nextTurn = () => new Promise<void>(resolve => setImmediate(() => setTimeout(resolve, 0)))

t.test('one time for all that a turn reads, one for its end, and a new one for the next', async t => {
  const system = new FakeClock(1_000)
  const clock = turnClock(system)
  const seen: number[] = []
  const read = () => {
    system.advance(1)
    seen.push(clock.now())
  }
  read()
  read()
  loopTurn.atEnd({ atTurnEnd: read })
  loopTurn.atEnd({ atTurnEnd: read })
  await nextTurn()
  read()
  read()
  t.same(seen, [1_001, 1_001, 1_003, 1_003, 1_005, 1_005])
})

t.test('where nothing happens at the end of a turn, the next one has a time of its own all the same', async t => {
  const system = new FakeClock(1_000)
  const clock = turnClock(system)
  for (let turn = 1; turn < 4; turn++) {
    system.advance(10)
    t.equal(clock.now(), 1_000 + 10 * turn)
    await nextTurn()
  }
})

t.test('writes and what goes on behind them have a time each, and the turn after them has none of these', async t => {
  const system = new FakeClock(1_000)
  const clock = turnClock(system)
  const seen: number[] = []
  const read = () => {
    system.advance(1)
    seen.push(clock.now())
  }
  const readTwice = () => {
    read()
    read()
  }
  lastInTurn(readTwice, readTwice)
  loopTurn.atEnd({ atTurnEnd: read })
  await nextTurn()
  lastInTurn(
    () => {},
    () => {},
  )
  read()
  t.same(seen, [1_001, 1_002, 1_002, 1_004, 1_004, 1_006])
})

t.test('its timers are those of the clock', async t => {
  const system = new FakeClock(1_000)
  let fired = 0
  turnClock(system).after(50, () => fired++)
  system.advance(50)
  t.equal(fired, 1)
})
