/** Faults on purpose: which calls they happen to, how long they wait, and what ends the wait. */
import t from 'tap'
import { faults } from '../../src/gates/faults.ts'
import { Status } from '../../src/grpc/status.ts'
import { Refusal } from '../../src/routing/gate.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { ask, call, TARGET } from './rig.ts'

const FAULT = 'fault-injected: a fault of the route'
const by = (value: string) => call({ metadata: [['x-fault', value]] })

t.test('a share of the calls ends with the status', async t => {
  const chances = [0, 0.249, 0.25, 0.9]
  const gate = faults({ abort: { status: 'DATA_LOSS', share: 0.25 } }, new FakeClock(), () => chances.shift()!)
  const refused = t.throws(() => gate(() => TARGET)(call()), Refusal) as unknown as Refusal
  t.equal(refused.status, Status.DATA_LOSS)
  t.same([await ask(gate, call()), await ask(gate, call()), await ask(gate, call())], [FAULT, TARGET, TARGET])
})

t.test('a share of 0 is no call, and of 1 every call', async t => {
  const of = (share: number, chance: number) =>
    ask(
      faults({ abort: { status: 'ABORTED', share } }, new FakeClock(), () => chance),
      call(),
    )
  t.equal(await of(0, 0), TARGET)
  t.equal(await of(1, 1 - 2 ** -53), FAULT)
  for (const share of [-0.1, 1.1, Number.NaN])
    t.throws(() => faults({ delay: { ms: 1, share } }), { message: `a share is from 0 to 1, it is ${share}` })
})

t.test('only calls that meet all conditions are meant, and the others draw no chance', async t => {
  let drawn = 0
  const metadata = { 'x-fault': { prefix: 'y' }, 'x-off': { present: false } }
  const gate = faults({ abort: { status: 'ABORTED', share: 1, metadata } }, new FakeClock(), () => drawn++ / 10)
  t.equal(await ask(gate, by('yes')), FAULT)
  t.equal(await ask(gate, by('no')), TARGET)
  t.equal(
    await ask(
      gate,
      call({ metadata: [...by('yes').metadata.fields, { name: 'x-off', value: '' }].map(f => [f.name, f.value]) }),
    ),
    TARGET,
  )
  t.equal(drawn, 1)
})

t.test('a call waits, and goes on; one that both happen to waits first', async t => {
  const clock = new FakeClock()
  const options = { delay: { ms: 250, share: 1 }, abort: { status: 'ABORTED', share: 1, metadata: { 'x-fault': 'y' } } }
  const gate = faults(options as never, clock)
  const asked: string[] = []
  const both = [ask(gate, call()), ask(gate, by('y'))].map((answer, i) => answer.then(() => asked.push(`${i}`)))
  clock.advance(249)
  await new Promise(setImmediate)
  t.same(asked, [])
  clock.advance(1)
  await Promise.all(both)
  t.same(asked.toSorted(), ['0', '1'])
  t.equal(clock.pending, 0)
})

t.test('who does not wait any more leaves no timer, and nothing behind the gate is asked', async t => {
  const clock = new FakeClock()
  const gate = faults({ delay: { ms: 250, share: 1 } }, clock)
  const leaving = new AbortController()
  const answer = gate(() => {
    throw new Error('it was asked')
  })({ ...call(), signal: leaving.signal })
  t.equal(clock.pending, 1)
  leaving.abort()
  t.equal(await answer, undefined)
  t.equal(clock.pending, 0)
})

t.test('a director that throws after the wait refuses the call', async t => {
  const clock = new FakeClock()
  const answer = faults(
    { delay: { ms: 1, share: 1 } },
    clock,
  )(() => {
    throw new Error('no')
  })(call())
  clock.advance(1)
  await t.rejects(answer as Promise<unknown>, { message: 'no' })
})
