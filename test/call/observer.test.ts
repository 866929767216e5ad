/** Who is told of calls, one or several. */
import t from 'tap'
import { type CallObserver, oneObserver } from '../../src/call/observer.ts'
import type { CallRecord } from '../../src/call/record.ts'
import { CallRig, NOTHING_LEFT, RESPONSE, request, TRAILERS } from './rig.ts'

const NOBODY: CallObserver = { onEnd() {} }

/** An observer, and the records that it was told. */
function listener(error?: Error) {
  const records: CallRecord[] = []
  const observer: CallObserver = {
    onEnd(record) {
      records.push(record)
      if (error !== undefined) throw error
    },
  }
  return { observer, records }
}

/** A whole call, and what is left of it. */
function called(observer: CallObserver | undefined) {
  const rig = new CallRig({ observer })
  const { down } = rig.open(request(), true)
  rig.up.headers(RESPONSE)
  rig.up.trailers(TRAILERS)
  rig.up.settle()
  down.settle()
  return rig
}

t.test('none is none, and one is itself: nothing is between a call and it', async t => {
  t.equal(oneObserver([]), undefined)
  t.equal(oneObserver([undefined, undefined]), undefined)
  t.equal(oneObserver([undefined, NOBODY]), NOBODY)
})

t.test('several are told the same record, in their order, once a call', async t => {
  const [first, second] = [listener(), listener()]
  called(oneObserver([first.observer, undefined, second.observer]))
  t.equal(first.records.length, 1)
  t.match(first.records[0], { status: 0, endedBy: 'backend' })
  t.equal(second.records[0], first.records[0])
  t.equal(second.records.length, 1)
})

t.test('an observer that throws: a fault, while the call ends and the others are told', async t => {
  const error = new Error('disk full')
  const [broken, other] = [listener(error), listener()]
  for (const observer of [broken.observer, oneObserver([broken.observer, other.observer])]) {
    const rig = called(observer)
    t.same(rig.faults, [['an observer of calls failed', '/pkg.Service/Method', error]])
    t.same([rig.over, rig.left], [1, NOTHING_LEFT])
  }
  t.equal(broken.records.length, 2)
  t.equal(other.records.length, 1)
})
