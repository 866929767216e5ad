/** Blocks that a transport cannot carry, other than the first ones (see relay-exits.test.ts). */
import t from 'tap'
import { HeadersRefused } from '../../src/transport/transport.ts'
import { CallRig, RESPONSE, request, TRAILERS } from './rig.ts'

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
