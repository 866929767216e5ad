import t from 'tap'
import { Client, SharedStreams } from '../../src/backend/client-share.ts'
import { Totals } from '../../src/backend/endpoint-totals.ts'
import { Lease } from '../../src/backend/lease.ts'
import { Attempt } from '../../src/call/attempt.ts'
import { TimerWheel } from '../../src/transport/timer-wheel.ts'
import { ErrorCode } from '../../src/wire/errors.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { block, FakeSession, type FakeStream } from '../support/fake-transport.ts'
import { CLEAN, RESPONSE, TRAILERS } from './rig.ts'

function attempt() {
  const heard: string[] = []
  const owner = { onReady() {}, onFree() {}, onDraining() {}, onSpent() {}, onSessionClosed() {} }
  const session = new FakeSession({ name: 'a' }, owner)
  session.ready()
  const limits = { resets: { burst: 10, perSecond: 1 }, heldBytes: () => 1_000 }
  const share = new Client().shareOf({ shared: new SharedStreams(limits, new FakeClock(), () => {}) })
  const made = new Attempt(
    new Lease(session.address, session, undefined, 0, { inFlight: 0, totals: new Totals() }, () => {}),
    share,
    {
      onResponseHeaders: (fields, endStream) => heard.push(`headers ${fields[0]?.value} ${endStream}`),
      onResponseData: (_bytes, start, end, endStream) => heard.push(`data ${end - start} ${endStream}`),
      onResponseTrailers: () => heard.push('trailers'),
      responseWaitingBytes: 0,
      onResponseOverdue: () => heard.push('overdue'),
      onRequestWritable: () => heard.push('writable'),
      onAttemptClosed: end => heard.push(`closed ${end.kind}`),
    },
  )
  made.stream.sendHeaders(block({}), true)
  return { made, stream: made.stream as FakeStream, heard }
}

t.test('hands on what the backend says', async t => {
  const { made, stream, heard } = attempt()
  stream.headers(RESPONSE)
  stream.data('hello')
  stream.drained()
  stream.trailers(TRAILERS)
  t.equal(made.closed, false)
  stream.settle()
  t.equal(made.closed, true)
  t.same(heard, ['headers 200 false', 'data 5 false', 'writable', 'trailers', 'closed clean'])
})

t.test('interim responses are skipped', async t => {
  const { stream, heard } = attempt()
  for (const status of ['100', '103', '199']) stream.headers(block({ ':status': status }))
  stream.headers(RESPONSE)
  t.same(heard, ['headers 200 false'])
})

t.test('an interim status that ends the stream is the response', async t => {
  const { stream, heard } = attempt()
  stream.headers(block({ ':status': '103' }), true)
  t.same(heard, ['headers 103 true'])
})

t.test('abandoned: reset at once, silent from then on, and what still comes is released', async t => {
  const { made, stream, heard } = attempt()
  stream.headers(RESPONSE)
  made.abandon(ErrorCode.CANCEL)
  t.equal(stream.resetWith, ErrorCode.CANCEL)
  stream.data('late')
  stream.trailers(TRAILERS)
  stream.drained()
  stream.settle()
  t.same(heard, ['headers 200 false'])
  t.equal(stream.released, 4)
})

t.test('abandoned after its end: no reset', async t => {
  const { made, stream, heard } = attempt()
  stream.headers(RESPONSE, true)
  stream.close(CLEAN)
  made.abandon(ErrorCode.CANCEL)
  t.equal(stream.resetWith, undefined)
  t.equal(heard.at(-1), 'closed clean')
})

function lingering() {
  const rig = attempt()
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock)
  rig.made.linger({ clock, wheel })
  return { ...rig, clock, wheel }
}

t.test('lingering: a backend that does not end is reset in time', async t => {
  const { stream, clock, wheel, heard } = lingering()
  t.equal(wheel.size, 1)
  stream.data('late')
  t.equal(stream.released, 4)
  clock.advance(4_999)
  t.equal(stream.resetWith, undefined)
  clock.advance(11)
  t.equal(stream.resetWith, ErrorCode.CANCEL)
  stream.settle()
  t.same(heard, [])
  t.same([wheel.size, clock.pending], [0, 0])
})

t.test('lingering: a backend that ends leaves no timer', async t => {
  const { stream, clock, wheel, heard } = lingering()
  stream.close(CLEAN)
  t.same([wheel.size, clock.pending], [0, 0])
  t.equal(stream.resetWith, undefined)
  t.same(heard, [])
})

t.test('lingering after the end is nothing', async t => {
  const { made, stream } = attempt()
  stream.close(CLEAN)
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock)
  made.linger({ clock, wheel })
  t.same([wheel.size, clock.pending], [0, 0])
})
