/** What calls take in memory is their client's share, and given back at every end. */
import t from 'tap'
import { CALL_BYTES } from '../../src/transport/call-memory.ts'
import {
  CallRig,
  CLEAN,
  CLIENT_CANCELS,
  NOTHING_LEFT,
  ownAnswer,
  RESPONSE,
  request,
  resetByPeer,
  TRAILERS,
} from './rig.ts'

t.test('a client that holds as much as is left gets no more, another client does', async t => {
  const rig = new CallRig({ memoryBytes: 10 * (CALL_BYTES + 1_000) })
  const [mine, other] = [{ ...rig.downSession }, { ...rig.downSession }]
  const opened = Array.from({ length: 5 }, () => rig.open(request({ 'x-large': 'x'.repeat(500) }), true, mine))
  t.notOk(
    opened.some(({ down }) => ownAnswer(down)),
    'its half',
  )
  const over = rig.open(request({ 'x-large': 'x'.repeat(3_000) }), true, mine)
  t.match(ownAnswer(over.down), { status: '8', token: 'memory-share' })
  t.equal(rig.ups.length, 5)
  t.equal(ownAnswer(rig.open(request(), true, other).down), undefined)
  t.equal(rig.ups.length, 6)
})

t.test('a request is kept for a retry only while there is room; the call goes on without', async t => {
  const rig = new CallRig({ memoryBytes: 2 * (CALL_BYTES + 700), replayBytes: 10_000 })
  const { down } = rig.open()
  down.data('x'.repeat(300))
  down.data('y'.repeat(400))
  t.equal(rig.up.body.length, 700)
  rig.up.close(resetByPeer(7))
  t.equal(rig.ups.length, 1, 'not sent again')
  t.equal(down.resetWith, 7)
  down.settle()
  t.match(rig.left, NOTHING_LEFT)
})

t.test('given back at every end', async t => {
  const ends: Record<string, (rig: CallRig) => void> = {
    'the client leaves'(rig) {
      rig.open().down.close(CLIENT_CANCELS)
    },
    'answered whole'(rig) {
      const { down } = rig.open(request(), true)
      rig.up.headers(RESPONSE)
      rig.up.trailers(TRAILERS)
      rig.up.settle()
      down.settle()
    },
    'trailers that wait'(rig) {
      const { down } = rig.open(request(), true)
      rig.up.headers(RESPONSE)
      down.queuedBytes = 100
      rig.up.trailers(TRAILERS)
      t.ok(rig.downSession.heldBytes > CALL_BYTES)
      rig.up.settle()
      down.close(CLEAN)
    },
    'a response after some of the request'(rig) {
      const { down } = rig.open()
      down.data('hello')
      const before = rig.downSession.heldBytes
      rig.up.headers(RESPONSE)
      t.equal(rig.downSession.heldBytes, before - 5, 'the request is not kept any more')
      rig.up.trailers(TRAILERS)
      rig.up.close(resetByPeer(0))
      down.settle()
    },
  }
  for (const [what, end] of Object.entries(ends)) {
    const rig = new CallRig()
    end(rig)
    t.match(rig.left, NOTHING_LEFT, what)
    t.equal(rig.context.memory.heldBytes, 0)
  }
})
