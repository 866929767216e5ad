/**
 * Spaces and tabs at the edges of values: real libraries send them, RFC 9113 §8.2.1 forbids them, and PROTOCOL-HTTP2.md
 * lets them be stripped. A status message keeps its text.
 */
import type { Test } from 'tap'
import { GrpcError } from '../../src/index.ts'
import type { Field } from '../support/hpack.ts'
import {
  answer,
  answered,
  directed,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  refused,
  requestFields,
  rig,
  TRAILERS,
} from './rig.ts'

const CAME: readonly Field[] = [
  ['x-a', ' v\t'],
  ['x-b', '\t two  words '],
  ['x-blank', ' \t'],
  ['x-bin', 'YQ== '],
  ['x-secret', ' s', 'never'],
]
const TOLD: readonly Field[] = [
  ['x-a', 'v'],
  ['x-b', 'two  words'],
  ['x-blank', ''],
  ['x-bin', 'YQ=='],
  ['x-secret', 's'],
]

export function edges(t: Test, pairing: Pairing): void {
  t.test('spaces and tabs at the edges of values are stripped, whichever way', async t => {
    const here = await rig(t, pairing)
    // Three times: a block that comes again is found by its octets.
    for (let round = 0; round < 3; round++) {
      const call = await open(here, { endStream: true, extra: CAME })
      t.same(pairs(call.headers.fields), requestFields(TOLD))
      t.match(call.headers.fields.at(-1), { name: 'x-secret', neverIndexed: true })
      call.backend.headers(call.backendId, [...RESPONSE, ...CAME])
      call.backend.headers(call.backendId, [...TRAILERS, ...CAME], { endStream: true })
      const [head, last] = await call.client.ended(call.id)
      t.same(head?.kind === 'headers' && pairs(head.fields), [...RESPONSE, ...TOLD])
      t.same(last?.kind === 'headers' && pairs(last.fields), [...TRAILERS, ...TOLD])
    }
  })

  t.test('a block in which all is indexed is stripped too', async t => {
    const here = await rig(t, pairing)
    for (let round = 0; round < 3; round++) {
      const id = here.client.request(requestFields([['x-a', ' v\t']]), { representation: 'indexed', endStream: true })
      const { connection, streamId, headers } = await here.backend.request()
      t.same(pairs(headers.fields), requestFields([['x-a', 'v']]))
      const call = { client: here.client, id, backend: connection, backendId: streamId }
      answer(call)
      await answered(t, call)
    }
  })

  const messages: readonly (readonly [string, string])[] = [
    ['missing field: ', 'missing field:%20'],
    ['\tindented', '%09indented'],
    ['caf\xc3\xa9', 'caf%C3%A9'],
    ['plain %25', 'plain %25'],
  ]
  for (const [came, told] of messages) {
    t.test(`a grpc-message keeps its text: ${JSON.stringify(came)}`, async t => {
      const here = await rig(t, pairing)
      const call = await open(here, { endStream: true })
      call.backend.headers(call.backendId, RESPONSE)
      const status: Field[] = [
        ['grpc-status', '3'],
        ['grpc-message', came],
      ]
      call.backend.headers(call.backendId, status, { endStream: true })
      const last = (await call.client.ended(call.id)).at(-1)
      t.same(last?.kind === 'headers' && pairs(last.fields), [
        ['grpc-status', '3'],
        ['grpc-message', told],
      ])
      const alone = await open(here, { endStream: true })
      alone.backend.headers(alone.backendId, [...RESPONSE, ...status], { endStream: true })
      await refused(t, alone.client, alone.id, 3, told)
    })
  }

  t.test("a director's message with a space at its end reaches the client", async t => {
    const here = await directed(t, pairing, () => {
      throw new GrpcError('PERMISSION_DENIED', 'go away ')
    })
    await refused(t, here.client, here.client.request(requestFields()), 7, 'go away%20')
  })

  t.test("a deny's message with a space at its end reaches the client", async t => {
    const here = await rig(t, pairing, { proxy: { routes: [{ deny: 'PERMISSION_DENIED', message: 'go away ' }] } })
    await refused(t, here.client, here.client.request(requestFields()), 7, 'go away%20')
  })
}
