/** A backend that is removed, and one whose settings change. */
import t from 'tap'
import { BackendRig, DRAIN_GRACE_MS, QUEUE_TIMEOUT_MS } from './rig.ts'

const finish = { kind: 'clean' } as const

/** @returns whether it has resolved */
function watch(promise: Promise<void>): () => Promise<boolean> {
  let resolved = false
  promise.then(() => {
    resolved = true
  })
  return async () => {
    await new Promise(resolve => setImmediate(resolve))
    return resolved
  }
}

t.test('retire: without calls it is gone at once, politely', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm()
  const isGone = watch(rig.backend.retire())
  t.same(
    rig.transport.sessions.map(({ retired, destroys }) => [retired, destroys]),
    [
      [1, 0],
      [1, 0],
    ],
  )
  t.equal(await isGone(), false)
  for (const session of rig.transport.sessions) session.closed('drained')
  t.equal(await isGone(), true)
  t.same([rig.clock.pending, rig.wheel.size, rig.backend.open], [0, 0, { sessions: 0, streams: 0 }])
  t.same(rig.call().failed, ['unreachable', 'the backend has been removed'])
})

t.test('retire: serves the calls in flight, those that wait, and those that come meanwhile', async t => {
  const rig = new BackendRig({ turn: 'held' })
  const calls = rig.calls(3)
  rig.turn.end()
  rig.session().ready(1)
  rig.turn.end()
  t.same([rig.backend.calls, rig.backend.waiting], [3, 2])
  const isGone = watch(rig.backend.retire())
  for (let at = 0; at < 4; at++) {
    rig.turn.end()
    const call = calls[at]!
    t.equal(call.at, 'a', call.name)
    if (at === 1) calls.push(rig.call())
    call.stream!.close(finish)
    t.equal(await isGone(), false)
  }
  t.equal(rig.backend.calls, 0)
  rig.turn.end()
  await isGone()
  t.equal(rig.session().retired, 1)
  rig.session().closed('drained')
  t.equal(await isGone(), true)
})

t.test('retire: a call that is sent again in the turn of its refusal is served', async t => {
  const rig = new BackendRig({ turn: 'held' })
  const refused = rig.call()
  rig.turn.end()
  rig.session().ready()
  rig.turn.end()
  const isGone = watch(rig.backend.retire())
  refused.stream!.close({ kind: 'reset', code: 7, by: 'peer' })
  const again = rig.call('again')
  rig.turn.end()
  t.equal(again.at, 'a')
  t.equal(await isGone(), false)
  again.stream!.close(finish)
  rig.turn.end()
  await isGone()
  rig.session().closed('drained')
  t.equal(await isGone(), true)
})

t.test('retire: an endpoint that is lost meanwhile is dialled again for those that wait', async t => {
  const rig = new BackendRig()
  rig.call()
  rig.session().ready(1)
  rig.session().answered = true
  const waiting = rig.call()
  rig.backend.retire()
  rig.session().opened[0]!.close({ kind: 'lost', by: 'peer', unprocessed: false, reason: 'read ECONNRESET' })
  rig.session().closed('read ECONNRESET')
  rig.session().ready()
  t.equal(waiting.at, 'a')
})

t.test('retire: the last call gives up waiting, by itself or by its time', async t => {
  for (const how of ['cancelled', 'timed out']) {
    const rig = new BackendRig()
    const call = rig.call()
    const isGone = watch(rig.backend.retire())
    if (how === 'cancelled') rig.backend.cancel(call)
    else rig.clock.advance(QUEUE_TIMEOUT_MS + 10)
    await isGone()
    rig.session().closed('given up')
    t.equal(await isGone(), true, how)
    t.same([rig.clock.pending, rig.wheel.size], [0, 0], how)
  }
})

t.test('retire: what is left when the grace is over is ended', async t => {
  const rig = new BackendRig({ queue: { maxCalls: 10, timeoutMs: DRAIN_GRACE_MS * 2 } })
  rig.call()
  rig.session().ready(1)
  const waiting = rig.call()
  const isGone = watch(rig.backend.retire())
  rig.clock.advance(DRAIN_GRACE_MS - 1)
  t.same([rig.session().destroys, waiting.told], [0, 0])
  rig.clock.advance(1)
  t.equal(rig.session().destroys, 1)
  t.same(waiting.failed, ['unreachable', 'the backend has been removed'])
  t.equal(await isGone(), false)
  rig.session().opened[0]!.close({ kind: 'lost', by: 'peer', unprocessed: false, reason: 'destroyed' })
  rig.session().closed('destroyed')
  t.equal(await isGone(), true)
})

t.test('close of a backend that retires ends all of it, and both are told', async t => {
  const rig = new BackendRig()
  rig.call()
  rig.session().ready()
  const retired = watch(rig.backend.retire())
  const closed = watch(rig.backend.close())
  t.same(rig.call().failed, ['closed', 'the proxy is shutting down'])
  rig.session().opened[0]!.close({ kind: 'lost', by: 'peer', unprocessed: false, reason: 'destroyed' })
  rig.session().closed('destroyed')
  t.same([await retired(), await closed()], [true, true])
  t.equal(rig.clock.pending, 0)
})

t.test('a backend that is closed, or retires, takes no other endpoints and settings', async t => {
  for (const how of ['close', 'retire'] as const) {
    const rig = new BackendRig({ sessions: { max: 1, ready: 1 } })
    rig.backend[how]()
    const dials = rig.transport.sessions.length
    rig.setEndpoints('bc')
    rig.update({ endpoints: 'bc' })
    rig.clock.advance(60_000)
    t.equal(rig.transport.sessions.length, dials, how)
  }
})

t.test('update: the queue is longer or shorter from now on', async t => {
  const rig = new BackendRig({ queue: { maxCalls: 1, timeoutMs: QUEUE_TIMEOUT_MS } })
  rig.call()
  t.match(rig.call().failed, ['queue-full'])
  rig.update({ queue: { maxCalls: 2, timeoutMs: QUEUE_TIMEOUT_MS } })
  t.equal(rig.call().told, 0)
  rig.update({ queue: { maxCalls: 1, timeoutMs: QUEUE_TIMEOUT_MS } })
  t.equal(rig.backend.waiting, 2, 'who waits stays')
  t.match(rig.call().failed, ['queue-full', '1 calls wait already'])
})

t.test('update: who waits already waits as long as who comes, and expires in its order', async t => {
  for (const timeoutMs of [1_000, 15_000]) {
    const rig = new BackendRig()
    const first = rig.call()
    rig.clock.advance(500)
    const second = rig.call()
    rig.update({ queue: { maxCalls: 10, timeoutMs } })
    const third = rig.call()
    rig.clock.advance(timeoutMs - 501)
    t.equal(first.told, 0)
    rig.clock.advance(11)
    t.match(first.failed, ['queue-timeout', new RegExp(`within ${timeoutMs} ms`)])
    t.same([second.told, third.told], [0, 0])
    rig.clock.advance(500)
    t.same([first.told, second.told, third.told], [1, 1, 1])
    t.equal(rig.wheel.size, 0)
    rig.backend.close()
  }
})

t.test('update: backoff and connect timeout are those of the next attempt', async t => {
  const rig = new BackendRig()
  rig.call()
  rig.update({ connectTimeoutMs: 100, backoff: { initialMs: 50, multiplier: 1, maxMs: 50, jitter: 0 } })
  rig.session().closed('no')
  rig.clock.advance(50)
  rig.call()
  t.equal(rig.dials(), 2)
  rig.clock.advance(100)
  t.equal(rig.session().destroys, 1)
})

t.test('update: more sessions are opened for those that wait, and those above the most are let go', async t => {
  const rig = new BackendRig()
  const calls = rig.calls(3)
  rig.session().ready(1)
  t.equal(rig.dials(), 1)
  rig.update({ sessions: { max: 3 } })
  t.equal(rig.dials(), 2)
  rig.session().ready(1)
  rig.session().ready(1)
  t.equal(rig.backend.waiting, 0)
  calls[1]!.stream!.close(finish)
  rig.update({ sessions: { max: 2 } })
  t.same(
    rig.transport.sessions.map(({ retired }) => retired),
    [0, 1, 0],
    'the one that has nothing to do',
  )
  t.ok([calls[0]!, calls[2]!].every(call => !call.stream!.over))
})

t.test('update: sessions.ready dials without a call', async t => {
  const rig = new BackendRig({ sessions: { max: 2 } })
  rig.update({ sessions: { max: 2, ready: 2 } })
  rig.session().ready()
  t.equal(rig.dials(), 2)
})

t.test('update: resets hold for sessions and clients that there are', async t => {
  const rig = new BackendRig({ resets: { burst: 4, perSecond: 1 }, sessions: { apart: 0 } })
  const first = rig.call()
  rig.session().ready()
  const calls = rig.calls(12)
  calls[0]!.lease!.seen = 99
  for (const call of calls) call.seen = true
  for (const call of calls.slice(0, 6)) call.cancel()
  const reset = () => calls.filter(call => call.stream!.resetWith !== undefined).length
  t.equal(reset(), 4)
  t.equal(first.share.apart, true, 'a quarter of 4 is 1')
  rig.update({ resets: { burst: 100, perSecond: 100 } })
  rig.clock.advance(60)
  t.equal(reset(), 6, 'those that waited are reset at the new rate')
  t.equal(first.share.apart, true, 'not yet')
  rig.clock.advance(60)
  t.equal(first.share.apart, false, 'and is forgotten at the new rate')
  for (const call of calls.slice(6)) call.cancel()
  t.equal(reset(), 12, 'none of them waits')
})

t.test('update: the list of endpoints is that of the settings, whatever was set before', async t => {
  const rig = new BackendRig({ endpoints: 'ab' })
  rig.warm()
  rig.setEndpoints('c')
  rig.update({ endpoints: 'cd' })
  t.same(
    rig.backend.endpoints.map(({ address }) => address.name),
    ['c', 'd'],
  )
  t.same(rig.backend.open.sessions, 2, 'a and b are not gone yet')
})
