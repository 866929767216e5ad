/** Blocks that a transport cannot carry, other than the first ones (see relay-exits.test.ts). */
import t from 'tap'
import { HeadersRefused } from '../../src/transport/transport.ts'
import { CallRig, RESPONSE, request, TRAILERS } from './rig.ts'

t.test('trailers that the transport cannot send: ours say so, no clean end', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.up.headers(RESPONSE)
  down.refuses = new HeadersRefused('too big')
  rig.up.trailers(TRAILERS)
  t.match(down.sent.at(-1), { kind: 'trailers', block: [{ name: 'grpc-status', value: '13' }, {}, {}] })
  t.equal(rig.up.resetWith, 8)
  down.settle()
  t.match(rig.record, { status: 13, endedBy: 'proxy', reason: 'unsendable-headers' })
})
