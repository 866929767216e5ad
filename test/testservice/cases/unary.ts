/** One request, one reply. */
import { crc32 } from 'node:zlib'
import type { PingReply } from '../../../src/demo/messages.ts'
import { payloadOf } from '../../../src/demo/service.ts'
import { Status } from '../../../src/grpc/status.ts'
import { joined } from '../client.ts'
import type { Cases } from '../suite.ts'

const MIB = 2 ** 20
const CONCURRENT_CALLS = 300

export const unaryCases: Cases = {
  'PingEmpty: both messages are empty, and are there': async (t, { client, options }) => {
    const answer = await client.unary<object>('PingEmpty', {})
    t.match(answer, { code: Status.OK, reply: {} })
    const server = joined(answer.headers, 'x-test-server')
    if (options.servers) t.ok(options.servers.includes(server), `answered by ${server}`)
    else t.not(server, '')
  },

  'Ping: value, and the name of the server that answered': async (t, { client }) => {
    const value = 'grüße, 世界 🚀'
    const answer = await client.unary<PingReply>('Ping', { value })
    t.match(answer, { code: Status.OK, reply: { value, counter: 0, received_bytes: 0 } })
    t.equal(joined(answer.headers, 'x-test-server'), answer.reply?.server)
  },

  'Ping: payloads around the sizes of frames and windows': async (t, { client }) => {
    for (const size of [1, 16_378, 16_379, 16_384, 16_385, 65_530, 65_535, 65_536, 131_072]) {
      const payload = payloadOf(size)
      const { code, reply } = await client.unary<PingReply>('Ping', { payload, payload_size: size })
      t.equal(code, Status.OK, `${size} bytes`)
      t.match(reply, { received_bytes: size, received_crc32: crc32(payload) })
      t.ok(reply?.payload.equals(payload), `${size} bytes came back`)
    }
  },

  'Ping: 4 MiB each way': async (t, { client }) => {
    const payload = payloadOf(4 * MIB)
    const { code, reply } = await client.unary<PingReply>('Ping', { payload, payload_size: payload.length })
    t.equal(code, Status.OK)
    t.match(reply, { received_bytes: payload.length, received_crc32: crc32(payload) })
    t.ok(reply?.payload.equals(payload))
  },

  'Ping: many calls at once, each gets its own reply': async (t, { client }) => {
    const calls = Array.from({ length: CONCURRENT_CALLS }, async (_, i) => {
      const payload = payloadOf((i * 97) % 5000)
      const settings = { metadata: [['x-echo', `call ${i}`]] as const }
      const request = { value: `call ${i}`, payload, payload_size: (i * 31) % 5000 }
      const { code, headers, reply } = await client.unary<PingReply>('Ping', request, settings)
      return (
        code === Status.OK &&
        reply?.value === `call ${i}` &&
        reply.received_crc32 === crc32(payload) &&
        reply.payload.equals(payloadOf((i * 31) % 5000)) &&
        joined(headers, 'x-echo') === `call ${i}`
      )
    })
    const right = (await Promise.all(calls)).filter(Boolean).length
    t.equal(right, CONCURRENT_CALLS)
  },
}
