/** Clients share a backend: who has little goes before who has much. */
import t from 'tap'
import { Client } from '../../src/backend/client-share.ts'
import { BackendRig, QUEUE_TIMEOUT_MS } from './rig.ts'

const finish = { kind: 'clean' } as const

t.test('clients that wait take turns, whoever came first', async t => {
  const rig = new BackendRig({ sessions: { reserve: 0 } })
  const [loud, quiet, other] = [new Client(), new Client(), new Client()]
  const calls = rig.calls(6, loud)
  rig.call('quiet 1', quiet)
  rig.call('other 1', other)
  rig.call('other 2', other)
  rig.session().ready(1)
  for (let at = calls[0]!; rig.backend.waiting > 0; ) {
    const session = rig.session()
    at.stream ??= session.opened[0]
    session.opened.at(-1)!.close(finish)
  }
  t.same(rig.served, ['call 1', 'quiet 1', 'other 1', 'call 2', 'other 2', ...[3, 4, 5, 6].map(i => `call ${i}`)])
})

t.test('the queue is full of one client: its last call gives way to another client', async t => {
  const rig = new BackendRig({ queue: { maxCalls: 4, timeoutMs: QUEUE_TIMEOUT_MS } })
  const [loud, quiet] = [new Client(), new Client()]
  const calls = rig.calls(4, loud)
  const first = rig.call('quiet 1', quiet)
  t.equal(first.told, 0, 'it waits')
  t.same(calls[3]!.failed, ['client-share', '4 of 4 places in the queue were its own'])
  t.equal(rig.backend.waiting, 4)
  t.match(rig.call('loud again', loud).failed, ['client-share', '3 of 4 places in the queue are its own'])
  rig.call('quiet 2', quiet)
  t.match(calls[2]!.failed, ['client-share'])
  t.match(rig.call('quiet 3', quiet).failed, ['client-share'], 'both have as many')
  t.same(
    calls.map(call => call.told),
    [0, 0, 1, 1],
  )
})

t.test('a queue that is full of calls of one client only: its capacity, not a share', async t => {
  const rig = new BackendRig({ queue: { maxCalls: 2, timeoutMs: QUEUE_TIMEOUT_MS } })
  rig.calls(2)
  t.match(rig.call().failed, ['queue-full'])
})

t.test('a call that is over before the end of the turn is not looked at', async t => {
  const rig = new BackendRig({ turn: 'held' })
  const [one, two] = [rig.call(), rig.call()]
  rig.backend.cancel(one)
  rig.turn.end()
  rig.session().ready()
  rig.turn.end()
  t.same([one.told, two.told], [0, 1])
  t.equal(rig.session().opened.length, 1)
})
