/** Calls at a time: when one counts, whose limit it is, and that nothing is left when they are over. */
import t from 'tap'
import { RoutedCall } from '../../src/call/call-info.ts'
import { type ConcurrencyOptions, concurrency } from '../../src/gates/concurrency.ts'
import type { CallInfo } from '../../src/routing/director.ts'
import { Refusal } from '../../src/routing/gate.ts'
import { call, TARGET } from './rig.ts'

/** A call that a test ends. */
class Running {
  readonly info: CallInfo
  #ended: (() => void)[] = []

  constructor(info: CallInfo) {
    this.info = { ...info, onEnd: told => void this.#ended.push(told) }
  }

  end(): void {
    for (const told of this.#ended.splice(0)) told()
  }
}

function limited(options: ConcurrencyOptions, random = () => 0.5) {
  const director = concurrency(options, random)(() => TARGET)
  /** The call that runs, or when the client should come again. */
  return (info = call()): Running | number => {
    const running = new Running(info)
    try {
      return director(running.info) === TARGET ? running : Number.NaN
    } catch (error) {
      if (!(error instanceof Refusal) || error.token !== 'rate-limited') throw error
      return error.retryAfterMs!
    }
  }
}

const isRunning = (one: Running | number): one is Running => one instanceof Running

t.test('so many at a time, and a place is free when one of them is over', async t => {
  const begin = limited({ max: 2 })
  const [first, second] = [begin(), begin()]
  t.ok(isRunning(first) && isRunning(second))
  t.equal(begin(), 1_000)
  t.equal(begin(), 1_000, 'one that was refused has no place')
  if (isRunning(first)) first.end()
  t.ok(isRunning(begin()))
  t.equal(begin(), 1_000)
})

t.test('each key has its own', async t => {
  const begin = limited({ max: 1, key: ['client', 'method'] })
  const from = (address: string, path: string) => call({ path, peer: { address, encrypted: false } })
  const rows = [
    ['192.0.2.1:1', '/a.B/C', true],
    ['192.0.2.1:2', '/a.B/C', false],
    ['192.0.2.1:1', '/a.B/D', true],
    ['192.0.2.2:1', '/a.B/C', true],
  ] as const
  for (const [address, path, passes] of rows) t.equal(isRunning(begin(from(address, path))), passes, address + path)
})

t.test('those who are refused together do not come back together', async t => {
  const times = new Set<unknown>()
  let random = 0
  const begin = limited({ max: 1, retryAfterMs: 200 }, () => random)
  begin()
  for (random = 0; random < 1; random += 0.25) times.add(begin())
  t.same([...times], [100, 150, 200, 250])
})

t.test('nothing is known of a key without calls: a hundred thousand of them leave nothing', async t => {
  let known = 0
  const begin = limited({ max: 1, key: ({ path }) => path })
  for (let i = 0; i < 100_000; i++) {
    const running = begin(call({ path: `/a.B/${i}` }))
    if (!isRunning(running)) return t.fail(`refused after ${i}`)
    running.end()
    known++
  }
  const again = begin(call({ path: '/a.B/0' }))
  t.ok(isRunning(again) && known === 100_000)
})

t.test('a limit that is none', async t => {
  for (const max of [0, -1, Number.NaN]) t.throws(() => concurrency({ max }), RangeError)
})

t.test('the end of a call is told to all, once, and at once where it is over', async t => {
  const faults: unknown[] = []
  const routed = new RoutedCall({ path: '/a.B/C', authority: '' } as never, [], { address: 'unix', encrypted: false })
  const told: string[] = []
  routed.onEnd(() => told.push('one'))
  routed.onEnd(() => {
    throw new Error('a mistake')
  })
  routed.onEnd(() => told.push('two'))
  routed.end((_message, _path, cause) => faults.push((cause as Error).message))
  t.same([told, faults], [['one', 'two'], ['a mistake']])
  routed.end(() => t.fail('twice'))
  routed.onEnd(() => told.push('late'))
  t.same(told, ['one', 'two', 'late'])
  t.ok(routed.signal.aborted)
})
