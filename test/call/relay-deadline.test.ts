import t from 'tap'
import { CallRig, CLEAN, CLIENT_CANCELS, lost, NOTHING_LEFT, ownAnswer, RESPONSE, request, TRAILERS } from './rig.ts'

/** A deadline is kept by ticks. */
const TICKS_MS = 10
const EXCEEDED = { status: '4', token: 'deadline', message: 'deadline exceeded at the proxy' }

function timeoutSent(rig: CallRig): string | undefined {
  const [first] = rig.up.sent
  return first?.kind === 'headers' ? first.block.find(field => field.name === 'grpc-timeout')?.value : undefined
}

t.test('none: none is forwarded, and no timer runs', async t => {
  const rig = new CallRig()
  rig.open()
  t.equal(timeoutSent(rig), undefined)
  t.equal(rig.wheel.size, 0)
})

t.test('what is left is forwarded, never more', async t => {
  const rig = new CallRig({ cold: true })
  rig.open(request({ 'grpc-timeout': '2S' }))
  rig.clock.advance(500)
  rig.session.ready()
  t.equal(timeoutSent(rig), '1500000u')
})

t.test('malformed: INTERNAL, and nothing is forwarded', async t => {
  for (const timeout of ['', '1', '1x', '123456789m', '-1S']) {
    const rig = new CallRig()
    const { down } = rig.open(request({ 'grpc-timeout': timeout }), true)
    t.match(ownAnswer(down), { status: '13', token: 'bad-timeout', message: 'malformed grpc-timeout' })
    t.same([rig.ups.length, rig.wheel.size], [0, 0])
    down.settle()
    t.match(rig.record, { status: 13, endedBy: 'proxy', reason: 'bad-timeout' })
  }
})

t.test('nothing left from the start', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request({ 'grpc-timeout': '0m' }), true)
  t.match(ownAnswer(down), EXCEEDED)
  t.equal(rig.ups.length, 0)
})

t.test('while the director thinks', async t => {
  let signal: AbortSignal | undefined
  const { promise, resolve } = Promise.withResolvers<{ backend: string }>()
  const rig = new CallRig({
    director: call => {
      signal = call.signal
      return promise
    },
  })
  const { down } = rig.open(request({ 'grpc-timeout': '100m' }))
  rig.clock.advance(99)
  t.equal(down.sent.length, 0)
  rig.clock.advance(1 + TICKS_MS)
  t.match(ownAnswer(down), EXCEEDED)
  t.equal(signal!.aborted, true)
  resolve({ backend: 'main' })
  await new Promise(done => setImmediate(done))
  t.equal(rig.ups.length, 0, 'its answer comes too late')
  down.settle()
  t.match(rig.record, { status: 4, endedBy: 'proxy', reason: 'deadline', backend: '' })
  t.same(rig.left, NOTHING_LEFT)
})

t.test('while it waits for a session', async t => {
  const rig = new CallRig({ cold: true })
  const { down } = rig.open(request({ 'grpc-timeout': '100m' }), true)
  rig.clock.advance(100 + TICKS_MS)
  t.match(ownAnswer(down), EXCEEDED)
  t.same([rig.backend.waiting, rig.wheel.size], [0, 0])
  rig.session.ready()
  t.equal(rig.ups.length, 0)
})

t.test('it passed, and a session is there before the timer turned', async t => {
  const rig = new CallRig({ cold: true })
  const { down } = rig.open(request({ 'grpc-timeout': '2m' }), true)
  rig.clock.advance(3)
  t.equal(down.sent.length, 0)
  rig.session.ready()
  t.match(ownAnswer(down), EXCEEDED)
  t.equal(rig.ups.length, 0)
  t.same([rig.backend.waiting, rig.wheel.size], [0, 0])
})

t.test('before the response', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request({ 'grpc-timeout': '100m' }))
  down.data('x')
  rig.clock.advance(99)
  t.equal(down.sent.length, 0)
  rig.clock.advance(1 + TICKS_MS)
  t.match(ownAnswer(down), EXCEEDED)
  t.equal(rig.up.resetWith, 8, 'CANCEL upstream')
  rig.up.settle()
  down.settle()
  t.match(rig.record, { status: 4, endedBy: 'proxy', reason: 'deadline', backend: 'main' })
  t.same(rig.left, NOTHING_LEFT)
})

t.test('within the response: a reset', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request({ 'grpc-timeout': '100m' }))
  rig.up.headers(RESPONSE)
  rig.up.data('half')
  rig.clock.advance(100 + TICKS_MS)
  t.same(down.kinds, ['headers', 'data', 'reset'])
  t.equal(down.resetWith, 8)
  t.equal(rig.up.resetWith, 8)
  down.settle()
  t.match(rig.record, { status: 4, endedBy: 'proxy', reason: 'deadline' })
})

t.test('after the response it is nothing', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request({ 'grpc-timeout': '100m' }))
  rig.up.headers(RESPONSE)
  rig.up.trailers(TRAILERS)
  t.equal(rig.wheel.size, 0)
  rig.clock.advance(1_000)
  t.equal(down.resetWith, undefined)
})

t.test('no timer is left, however the call ends', async t => {
  const ends: ((rig: CallRig, down: ReturnType<CallRig['open']>['down']) => void)[] = [
    (_rig, down) => down.close(CLIENT_CANCELS),
    rig => rig.up.close(lost()),
    rig => rig.up.headers(TRAILERS, true),
    rig => rig.context.live.abortAll(),
  ]
  for (const end of ends) {
    const rig = new CallRig()
    const { down } = rig.open(request({ 'grpc-timeout': '100m' }), true)
    t.equal(rig.wheel.size, 1)
    end(rig, down)
    t.equal(rig.wheel.size, 0)
  }
})

t.test('it holds for all attempts together', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request({ 'grpc-timeout': '1S' }), true)
  rig.clock.advance(400)
  rig.up.close(lost(true))
  t.equal(rig.ups.length, 2)
  t.equal(timeoutSent(rig), '600000u')
  rig.clock.advance(600 + TICKS_MS)
  t.match(ownAnswer(down), EXCEEDED)
  down.settle()
  t.match(rig.record, { retries: 1, reason: 'deadline' })
})

t.test('the longest there is', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request({ 'grpc-timeout': '99999999H' }), true)
  t.equal(timeoutSent(rig), '99999999H')
  rig.up.headers(RESPONSE)
  rig.up.trailers(TRAILERS)
  rig.up.close(CLEAN)
  down.settle()
  t.equal(rig.record.status, 0)
})
