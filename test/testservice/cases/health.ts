/** `grpc.health.v1.Health`. */
import type { HealthCheckResponse } from '../../../src/demo/messages.ts'
import { TEST_SERVICE } from '../../../src/demo/proto.ts'
import { Status } from '../../../src/grpc/status.ts'
import type { Cases } from '../suite.ts'

export const healthCases: Cases = {
  'Health: the server and its service are SERVING': async (t, { client }) => {
    for (const service of ['', TEST_SERVICE]) {
      const answer = await client.unary<HealthCheckResponse>('Check', { service })
      t.match(answer, { code: Status.OK, reply: { status: 'SERVING' } })
    }
  },

  'Health: an unknown service is NOT_FOUND': async (t, { client }) => {
    const answer = await client.unary('Check', { service: 'no.such.Service' })
    t.equal(answer.code, Status.NOT_FOUND)
  },

  'Health: Watch tells the status, and goes on until it is cancelled': async (t, { client }) => {
    const call = client.list<HealthCheckResponse>('Watch', { service: '' })
    t.match(await call.next(), { status: 'SERVING' })
    call.cancel()
    t.equal((await call.end).code, Status.CANCELLED)
  },
}
