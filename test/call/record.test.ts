/** What is told of a call when it is over, beside how it ended (relay-exits has that). */
import t from 'tap'
import { GrpcError } from '../../src/grpc/status.ts'
import { block } from '../support/fake-transport.ts'
import { CallRig, CLEAN, lost, RESPONSE, request, TRAILERS } from './rig.ts'

t.test('unreachable: the record has the endpoint and its error, which the client is not told', async t => {
  const rig = new CallRig({ cold: true })
  const { down } = rig.open()
  rig.session.closed('connect ECONNREFUSED 192.0.2.1:50051')
  down.settle()
  t.match(rig.record, {
    message: 'no endpoint of the backend can be reached',
    cause: 'http://192.0.2.1:50051: connect ECONNREFUSED 192.0.2.1:50051',
  })
})

t.test('a lost backend: the record has what the system said', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  rig.up.close(lost())
  down.settle()
  t.match(rig.record, { reason: 'upstream-lost', endpoint: 'http://192.0.2.1:50051', cause: 'read ECONNRESET' })
})

t.test('a reset of our own: the record has the rule that the backend broke', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  rig.up.close({ kind: 'reset', code: 1, by: 'self', violation: 'field-name' })
  down.settle()
  t.match(rig.record, { reason: 'upstream-protocol-error', endedBy: 'proxy', cause: 'field-name' })
})

t.test("the backend's grpc-message is in the record as it came, percent-encoded", async t => {
  for (const trailersOnly of [true, false]) {
    const rig = new CallRig()
    const { down } = rig.open(request(), true)
    const end = { 'grpc-status': '5', 'grpc-message': 'no such tenant: %E6%97%A5' }
    if (trailersOnly) rig.up.headers(block({ ':status': '200', 'content-type': 'application/grpc', ...end }), true)
    else {
      rig.up.headers(RESPONSE)
      rig.up.trailers(block(end))
    }
    rig.up.close(CLEAN)
    down.settle()
    t.match(rig.record, { status: 5, message: 'no such tenant: %E6%97%A5', endedBy: 'backend', cause: '' })
  }
})

t.test('a message of our own is in the record as it was sent, cut and encoded', async t => {
  const director = () => {
    throw new GrpcError('NOT_FOUND', `\u00e9${'a'.repeat(2_000)}`)
  }
  const rig = new CallRig({ director })
  const { down } = rig.open()
  down.settle()
  const [answer] = down.sent
  const sent = answer?.kind === 'headers' && answer.block.find(({ name }) => name === 'grpc-message')?.value
  t.match(sent, /%C3%A9/)
  t.equal(rig.record.message, sent)
})

t.test("the client's deadline, in milliseconds; none where it gave none or nonsense", async t => {
  const cases: [sent: string | undefined, told: number | undefined][] = [
    ['2S', 2_000],
    ['1500u', 1.5],
    [undefined, undefined],
    ['soon', undefined],
  ]
  for (const [sent, timeoutMs] of cases) {
    const rig = new CallRig()
    const { down } = rig.open(request(sent === undefined ? {} : { 'grpc-timeout': sent }), true)
    if (down.sent.length === 0) {
      rig.up.headers(RESPONSE)
      rig.up.trailers(TRAILERS)
      rig.up.close(CLEAN)
    }
    down.settle()
    t.equal(rig.record.timeoutMs, timeoutMs, sent ?? 'none')
  }
})
