/** Ends by a status: every code, every kind of message, details. */
import type { PingReply } from '../../../src/demo/messages.ts'
import { STATUS_NAMES, Status } from '../../../src/grpc/status.ts'
import { hexValues, joined } from '../client.ts'
import type { Cases } from '../suite.ts'

const DETAILS = Buffer.from([8, 5, 0x12, 2, 0x6e, 0x6f, 0xff, 0])
/** What grpc-message percent-encodes: control characters, percent, everything beyond ASCII. */
const MESSAGES = ['plain', '100 %', '%41 is not A', 'line\nbreak\ttab', 'ungültig: 世界 🚀', 'x'.repeat(2000)]

export const statusCases: Cases = {
  'PingError: every status, with headers first and without': async (t, { client }) => {
    for (const [code, name] of STATUS_NAMES.entries()) {
      for (const headers_first of [false, true]) {
        const message = code === Status.OK ? '' : `${name}: 100 % ✓`
        const error = { code, message, details: DETAILS }
        const metadata = [['x-echo-trailer', 'kept']] as const
        const answer = await client.unary<PingReply>('PingError', { error, headers_first }, { metadata })
        const failed = code !== Status.OK
        const came = {
          code: answer.code,
          message: failed ? answer.message : '',
          details: hexValues(answer.trailers, 'grpc-status-details-bin'),
          trailer: joined(answer.trailers, 'x-echo-trailer'),
          headersFirst: failed ? joined(answer.headers, 'x-test-server') !== '' : headers_first,
        }
        const details = failed ? [DETAILS.toString('hex')] : []
        const wanted = { code, message, details, trailer: 'kept', headersFirst: headers_first }
        t.strictSame(came, wanted, `${name}${headers_first ? ', headers first' : ''}`)
      }
    }
  },

  'PingError: messages that need percent-encoding, or do not': async (t, { client }) => {
    for (const message of MESSAGES) {
      const answer = await client.unary('PingError', { error: { code: Status.FAILED_PRECONDITION, message } })
      t.match(answer, { code: Status.FAILED_PRECONDITION, message })
    }
  },

  'PingError: no details, no details field': async (t, { client }) => {
    const answer = await client.unary('PingError', { error: { code: Status.NOT_FOUND, message: 'no' } })
    t.strictSame(hexValues(answer.trailers, 'grpc-status-details-bin'), [])
  },

  'PingList: an error after messages keeps the messages': async (t, { client }) => {
    const error = { code: Status.DATA_LOSS, message: 'after three ✓', details: DETAILS }
    const call = client.list<PingReply>('PingList', { count: 3, payload_size: 100, error })
    t.equal((await call.rest()).length, 3)
    const end = await call.end
    t.match(end, { code: Status.DATA_LOSS, message: 'after three ✓' })
    t.equal(joined(end.trailers, 'x-test-count'), '3')
    t.strictSame(hexValues(end.trailers, 'grpc-status-details-bin'), [DETAILS.toString('hex')])
  },

  'PingStream: an error ends the call while the client is still sending': async (t, { client }) => {
    const call = client.open<PingReply>('PingStream')
    call.send({ value: 'fine' })
    t.match(await call.next(), { value: 'fine' })
    call.send({ error: { code: Status.ABORTED, message: 'enough' } })
    t.equal(await call.next(), undefined)
    t.match(await call.end, { code: Status.ABORTED, message: 'enough' })
  },

  'an unknown method of a known service is UNIMPLEMENTED': async (t, { client }) => {
    const answer = await client.unaryAt('/verbatim.testservice.v1.TestService/PingNothing', {})
    t.equal(answer.code, Status.UNIMPLEMENTED)
  },
}
