/** A session that takes no new calls ends early only when nobody needs it any more. */
import t from 'tap'
import { Totals } from '../../src/backend/endpoint-totals.ts'
import { Lease } from '../../src/backend/lease.ts'
import { PacedResets } from '../../src/backend/paced-resets.ts'
import { TimerWheel } from '../../src/transport/timer-wheel.ts'
import type { ClientSessionOwner, Stream } from '../../src/transport/transport.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FakeSession } from '../support/fake-transport.ts'

const ADDRESS = { name: 'a' }
const OWNER = { onHeaders() {}, onData() {}, onTrailers() {}, onWritable() {}, onClosed() {} }
const NOBODY = { onReady() {}, onFree() {}, onDraining() {}, onSpent() {}, onSessionClosed() {} }

function draining(calls: number) {
  const clock = new FakeClock()
  const session = new FakeSession(ADDRESS, NOBODY as ClientSessionOwner)
  session.ready(100)
  // No reset may be sent: all wait.
  const resets = new PacedResets({ burst: 0, perSecond: 0.001 }, clock, new TimerWheel(clock), () => {})
  const lease = new Lease(ADDRESS, session, resets, 0, { inFlight: 0, totals: new Totals() }, () => {})
  const streams = Array.from({ length: calls }, () => ({ stream: lease.open(OWNER) as Stream, seen: true }))
  lease.drain()
  return { lease, session, streams }
}

const told = () => new Promise(setImmediate)

t.test('a stream that is closed and not told yet is given up: the call that goes on keeps its session', async t => {
  const { lease, session, streams } = draining(3)
  const [left, closing] = streams
  lease.reset(left!)
  // The transport has closed it, and tells so only after what it is about to tell.
  session.streams--
  lease.reset(closing!)
  lease.ended(closing!)
  await told()
  t.equal(session.destroys, 0)
})

t.test('all that is left waits to be reset: the session ends', async t => {
  const { lease, session, streams } = draining(2)
  for (const what of streams) lease.reset(what)
  await told()
  t.equal(session.destroys, 1)
})
