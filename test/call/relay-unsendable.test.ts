/** Blocks that a transport cannot carry, other than the first ones (see relay-exits.test.ts). */
import t from 'tap'
import { HeadersRefused } from '../../src/transport/transport.ts'
import { CallRig, ownAnswer, RESPONSE, request, TRAILERS } from './rig.ts'

t.test('trailers that the transport cannot send: a reset, no clean end', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.up.headers(RESPONSE)
  down.refuses = new HeadersRefused('too big')
  rig.up.trailers(TRAILERS)
  t.equal(down.resetWith, 2)
  t.equal(rig.up.resetWith, 8)
  down.settle()
  t.match(rig.record, { status: 13, endedBy: 'proxy', reason: 'unsendable-headers' })
})

t.test('request trailers that the transport cannot send', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  rig.up.refuses = new HeadersRefused('too big')
  down.trailers(TRAILERS)
  t.match(ownAnswer(down), { status: '13', token: 'unsendable-headers' })
  t.equal(rig.up.resetWith, 8)
})

t.test('request trailers that came before there was a session, and cannot be sent', async t => {
  const rig = new CallRig({ cold: true })
  const { session } = rig
  const { open } = session
  session.open = owner => {
    const stream = open.call(session, owner)
    stream.sendTrailers = () => {
      throw new HeadersRefused('too big')
    }
    return stream
  }
  const { down } = rig.open()
  down.trailers(TRAILERS)
  t.doesNotThrow(() => session.ready())
  t.match(ownAnswer(down), { status: '13', token: 'unsendable-headers' })
})
