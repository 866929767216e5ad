/** Metadata, both ways, in headers and trailers. */
import type { Metadata } from '../../../src/demo/call.ts'
import type { PingReply } from '../../../src/demo/messages.ts'
import { Status } from '../../../src/grpc/status.ts'
import { hexValues, joined } from '../client.ts'
import type { Cases } from '../suite.ts'

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
/** Every character that an ASCII value may have; none at the ends is a space. */
const ALL_ASCII = `~${String.fromCharCode(...Array.from({ length: 0x5f }, (_, i) => 0x20 + i))}`

const ECHOES: Metadata = [
  ['x-echo', 'one'],
  ['x-echo', 'two'],
  ['x-echo-bin', ALL_BYTES],
  ['x-echo-bin', Buffer.from([0])],
  ['x-echo-trailer', 'three'],
  ['x-echo-trailer', 'four'],
  ['x-echo-trailer-bin', ALL_BYTES],
]

export const metadataCases: Cases = {
  'metadata: text and binary, duplicates in order, as headers and as trailers': async (t, { client }) => {
    const answer = await client.unary<PingReply>('Ping', {}, { metadata: ECHOES })
    t.equal(answer.code, Status.OK)
    t.equal(joined(answer.headers, 'x-echo'), 'one, two')
    t.strictSame(hexValues(answer.headers, 'x-echo-bin'), [ALL_BYTES.toString('hex'), '00'])
    t.equal(joined(answer.trailers, 'x-echo-trailer'), 'three, four')
    t.strictSame(hexValues(answer.trailers, 'x-echo-trailer-bin'), [ALL_BYTES.toString('hex')])
  },

  'metadata: a streaming method does the same': async (t, { client }) => {
    const call = client.list<PingReply>('PingList', { count: 1 }, { metadata: ECHOES })
    t.equal(joined(await call.headers, 'x-echo'), 'one, two')
    t.strictSame(hexValues(await call.headers, 'x-echo-bin'), [ALL_BYTES.toString('hex'), '00'])
    t.equal((await call.rest()).length, 1)
    const { trailers } = await call.end
    t.equal(joined(trailers, 'x-echo-trailer'), 'three, four')
    t.strictSame(hexValues(trailers, 'x-echo-trailer-bin'), [ALL_BYTES.toString('hex')])
  },

  'metadata: names chosen by the request': async (t, { client }) => {
    const request = { echo_headers: ['x-a', 'x-b-bin'], echo_trailers: ['x-c'] }
    const metadata: Metadata = [
      ['x-a', 'a'],
      ['x-b-bin', Buffer.from([0, 0xff, 0])],
      ['x-c', 'c'],
    ]
    const answer = await client.unary<PingReply>('Ping', request, { metadata })
    t.equal(joined(answer.headers, 'x-a'), 'a')
    t.strictSame(hexValues(answer.headers, 'x-b-bin'), ['00ff00'])
    t.equal(joined(answer.trailers, 'x-c'), 'c')
  },

  'metadata: every character that a value may have': async (t, { client }) => {
    const answer = await client.unary<PingReply>('Ping', {}, { metadata: [['x-echo', ALL_ASCII]] })
    t.equal(answer.code, Status.OK)
    t.equal(answer.headers.find(([name]) => name === 'x-echo')?.[1], ALL_ASCII)
  },

  'metadata: values of several thousand bytes': async (t, { client }) => {
    const value = 'x'.repeat(3000)
    const metadata: Metadata = [
      ['x-echo', value],
      ['x-echo-trailer-bin', Buffer.alloc(2000, 0xa5)],
    ]
    const answer = await client.unary<PingReply>('Ping', {}, { metadata })
    t.equal(joined(answer.headers, 'x-echo'), value)
    t.strictSame(hexValues(answer.trailers, 'x-echo-trailer-bin'), ['a5'.repeat(2000)])
  },
}
