import t from 'tap'
import { block } from '../support/fake-transport.ts'
import {
  CallRig,
  CLIENT_CANCELS,
  lost,
  NOTHING_LEFT,
  ownAnswer,
  RESPONSE,
  request,
  resetByPeer,
  TRAILERS,
} from './rig.ts'

const REFUSED = resetByPeer(7)

t.test('refused: sent once more, the same to the byte', async t => {
  for (const end of [REFUSED, lost(true)]) {
    const rig = new CallRig()
    const { down } = rig.open()
    down.data('hello ')
    down.data('world')
    rig.up.close(end)
    t.equal(rig.ups.length, 2)
    t.equal(rig.up.body, 'hello world')
    down.data('!', true)
    t.equal(rig.up.body, 'hello world!')
    t.ok(rig.up.endSent)
    t.same(down.sent, [], 'the client hears nothing of it')
    t.equal(down.released, 12, 'each byte is released once')
    rig.up.headers(RESPONSE)
    rig.up.trailers(TRAILERS)
    down.settle()
    t.match(rig.record, { retries: 1, status: 0, reason: '', request: { bytes: 12 } })
    t.same(
      rig.ups.flatMap(up => up.misuse),
      [],
    )
  }
})

t.test('a request without a body, and one with trailers', async t => {
  const rig = new CallRig()
  rig.open(request(), true)
  rig.up.close(REFUSED)
  t.same(rig.up.kinds, ['headers'])
  t.ok(rig.up.endSent)

  const other = new CallRig()
  const { down } = other.open()
  down.data('x')
  down.trailers(block({ y: '1' }))
  other.up.close(REFUSED)
  t.same(other.up.sent.slice(1), [{ kind: 'data', bytes: 'x', endStream: true }])
})

t.test('refused while as many calls as may be are sent again: the client may try again', async t => {
  const rig = new CallRig({ breaker: { maxRetries: 1 } })
  const first = rig.open(request(), true)
  const second = rig.open(request(), true)
  const third = rig.open(request(), true)
  const [one, two, three] = rig.ups
  one!.close(REFUSED)
  two!.close(REFUSED)
  t.equal(rig.ups.length, 4)
  t.same(second.down.sent, [{ kind: 'reset', code: 7 }])
  second.down.settle()
  t.match(rig.record, { reason: 'upstream-refused', retries: 0 })
  rig.up.headers(RESPONSE)
  three!.close(REFUSED)
  t.equal(rig.ups.length, 5, 'once a backend answers the first, another may be sent again')
  third.down.close(CLIENT_CANCELS)
  t.equal(rig.backend.shared.retries, 0)
  rig.ups[3]!.trailers(TRAILERS)
  first.down.settle()
  t.same(
    rig.records.map(({ retries }) => retries),
    [0, 1, 1],
  )
})

t.test('refused a second time: the client may try again', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.up.close(REFUSED)
  rig.up.close(REFUSED)
  t.equal(rig.ups.length, 2)
  t.same(down.sent, [{ kind: 'reset', code: 7 }])
  down.settle()
  t.match(rig.record, { retries: 1, status: 14, endedBy: 'backend', reason: 'upstream-refused' })
})

t.test('too late for a session that goes, several times in a row: sent again each time, up to a bound', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  for (let i = 0; i < 5; i++) rig.up.close(lost(true))
  t.equal(rig.ups.length, 6)
  t.same(down.sent, [], 'the client hears nothing of it')
  rig.up.headers(RESPONSE)
  rig.up.trailers(TRAILERS)
  down.settle()
  t.match(rig.record, { retries: 5, status: 0, reason: '' })

  const other = new CallRig()
  const { down: there } = other.open(request(), true)
  for (let i = 0; i < 6; i++) other.up.close(lost(true))
  t.equal(other.ups.length, 6)
  t.same(there.sent, [{ kind: 'reset', code: 7 }], 'the client may try again')
})

t.test('refused after a session that went: it was sent twice already', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.up.close(lost(true))
  rig.up.close(REFUSED)
  t.equal(rig.ups.length, 2)
  t.same(down.sent, [{ kind: 'reset', code: 7 }])
})

t.test('what the backend may have processed is not sent again', async t => {
  const ends = [resetByPeer(8), resetByPeer(2), resetByPeer(0), lost(false), { ...REFUSED, by: 'self' as const }]
  for (const end of ends) {
    const rig = new CallRig()
    const { down } = rig.open(request(), true)
    rig.up.close(end)
    t.equal(rig.ups.length, 1, JSON.stringify(end))
    t.ok(ownAnswer(down))
  }
})

t.test('after response headers a call is committed', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.up.headers(RESPONSE)
  rig.up.close(REFUSED)
  t.equal(rig.ups.length, 1)
  t.same(down.kinds, ['headers', 'trailers'])
})

t.test('interim responses do not commit it', async t => {
  const rig = new CallRig()
  rig.open(request(), true)
  rig.up.headers(block({ ':status': '103' }))
  rig.up.close(REFUSED)
  t.equal(rig.ups.length, 2)
})

t.test('up to the replay bound it is kept; beyond, the call is committed', async t => {
  for (const [bytes, again] of [
    [10, true],
    [11, false],
  ] as const) {
    const rig = new CallRig({ replayBytes: 10 })
    const { down } = rig.open()
    down.data('12345')
    down.data('x'.repeat(bytes - 5))
    rig.up.close(REFUSED)
    t.equal(rig.ups.length, again ? 2 : 1, `${bytes} bytes`)
    if (!again) t.equal(down.resetWith, 7, 'the client may')
  }
})

t.test('a request over the bound that waited: it is sent once, and then committed', async t => {
  const rig = new CallRig({ cold: true, replayBytes: 10 })
  const { down } = rig.open()
  down.data('x'.repeat(50))
  rig.session.ready()
  t.equal(rig.up.body.length, 50)
  rig.up.close(REFUSED)
  t.equal(rig.ups.length, 1)
  t.equal(down.resetWith, 7)
})

t.test('a bound of nothing: only requests without data are sent again', async t => {
  const rig = new CallRig({ replayBytes: 0 })
  const { down } = rig.open()
  rig.up.close(REFUSED)
  t.equal(rig.ups.length, 2)
  down.data('x')
  t.equal(rig.up.body, 'x')
  t.equal(down.released, 1)
})

t.test('data that comes between two attempts waits for the second', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  down.data('one ')
  rig.session.settings(0)
  rig.up.close(REFUSED)
  t.equal(rig.backend.waiting, 1)
  down.data('two ')
  t.equal(down.released, 4)
  rig.session.settings(1)
  t.equal(rig.up.body, 'one two ')
  t.equal(down.released, 8)
  t.same(down.misuse, [])
})

t.test('window that the first attempt held is given back by the second', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  rig.up.writable = false
  down.data('one ')
  down.data('two ')
  t.equal(down.released, 0)
  rig.up.close(REFUSED)
  t.equal(rig.up.body, 'one two ')
  t.equal(down.released, 8)
  rig.up.writable = false
  down.data('three')
  t.equal(down.released, 8)
  rig.up.drained()
  t.equal(down.released, 13)
})

t.test('the client leaves between two attempts', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.session.settings(0)
  rig.up.close(REFUSED)
  down.close(CLIENT_CANCELS)
  rig.session.settings(1)
  t.equal(rig.ups.length, 1)
  t.match(rig.record, { retries: 1, endedBy: 'client' })
  t.same(rig.left, NOTHING_LEFT)
})
