/** gRPC-Web over HTTP/2, frame by frame, with a raw client and a raw backend. */
import t from 'tap'
import { createProxy, type ProxyOptions, type WebOptions } from '../../src/index.ts'
import {
  answer,
  arrived,
  field,
  message,
  type Pairing,
  pairs,
  RESPONSE,
  requestFields,
  TRAILERS,
} from '../contract/rig.ts'
import { certificates } from '../support/certs.ts'
import { RawClient } from '../support/raw-client.ts'
import { frameOf, PAGE, webFields, webRig } from './rig.ts'

const PAIRINGS: readonly Pairing[] = [
  { name: 'frames', downstream: 'frames', upstream: 'frames' },
  { name: 'native', downstream: 'native', upstream: 'native' },
]
const [FRAMES] = PAIRINGS
const CORS = [
  ['access-control-allow-origin', PAGE],
  ['vary', 'origin'],
]

for (const pairing of PAIRINGS) {
  t.test(`on ${pairing.name}`, async t => {
    const rig = await webRig(t, pairing)
    const client = await RawClient.connect(t, rig.port)
    const both = { ...rig, client }

    await t.test('a call: gRPC at the backend, trailers in the body for the page', async t => {
      const id = client.request(webFields({ te: 'trailers', 'grpc-timeout': '30S' }))
      client.data(id, message('ask'), { endStream: true })
      const call = await arrived(both, id)
      t.same(
        pairs(call.headers.fields).filter(([name]) => !name.startsWith(':') && name !== 'grpc-timeout'),
        [
          ['content-type', 'application/grpc+proto'],
          ['x-grpc-web', '1'],
          ['origin', PAGE],
          ['te', 'trailers'],
        ],
      )
      t.match(field(call.headers, 'grpc-timeout'), /^\d+[mun]$/)
      await call.backend.ended(call.backendId)
      t.ok(call.backend.body(call.backendId).equals(message('ask')))
      answer(call)
      const [head, ...rest] = await client.ended(id)
      t.same(head?.kind === 'headers' && pairs(head.fields), [
        [':status', '200'],
        ['content-type', 'application/grpc-web+proto'],
        ...CORS,
      ])
      t.same([...new Set(rest.map(({ kind }) => kind))], ['data'], 'no trailers of HTTP/2')
      t.equal(
        client.body(id).toString('latin1'),
        `${message('hello').toString('latin1')}${frameOf('grpc-status:0\r\n')}`,
      )
    })

    await t.test('in text, both ways', async t => {
      const id = client.request(
        webFields({ 'content-type': 'application/grpc-web-text', accept: 'application/grpc-web-text' }),
      )
      const asked = message('ask').toString('base64')
      client.data(id, asked.slice(0, 3))
      client.data(id, `${asked.slice(3)}${Buffer.from('!').toString('base64')}`, { endStream: true })
      const call = await arrived(both, id)
      await call.backend.ended(call.backendId)
      t.equal(call.backend.body(call.backendId).toString('latin1'), `${message('ask').toString('latin1')}!`)
      answer(call)
      await client.ended(id)
      const pieces =
        client
          .body(id)
          .toString('latin1')
          .match(/[A-Za-z0-9+/]+=*/g) ?? []
      const bytes = pieces.map(piece => Buffer.from(piece, 'base64').toString('latin1')).join('')
      t.equal(bytes, `${message('hello').toString('latin1')}${frameOf('grpc-status:0\r\n')}`)
    })

    await t.test('an answer that is headers alone, which the page may read', async t => {
      const id = client.request(webFields(), { endStream: true })
      const call = await arrived(both, id)
      const fields = [
        [':status', '200'],
        ['content-type', 'application/grpc'],
        ['grpc-status', '5'],
        ['grpc-message', 'no'],
      ] as const
      call.backend.headers(call.backendId, fields, { endStream: true })
      const [only, ...rest] = await client.ended(id)
      t.same(rest, [])
      t.match(only, { kind: 'headers', endStream: true })
      t.equal(field(only, 'grpc-status'), '5')
      t.equal(field(only, 'access-control-expose-headers'), 'grpc-status,grpc-message')
    })

    await t.test('a preflight costs the backend nothing; nor does a page that may not call', async t => {
      const before = rig.backend.requests.length
      const asks = {
        ':method': 'OPTIONS',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-user',
      }
      const asked = client.request(webFields(asks), { endStream: true })
      const [preflight] = await client.ended(asked)
      t.equal(field(preflight, ':status'), '204')
      t.equal(field(preflight, 'access-control-allow-origin'), PAGE)
      t.equal(field(preflight, 'access-control-allow-headers'), 'x-user')
      const stranger = client.request(webFields({ ...asks, origin: 'https://evil.test' }), { endStream: true })
      const strange = client.request(webFields({ origin: 'https://evil.test' }))
      for (const [id, token] of [
        [stranger, undefined],
        [strange, 'web-origin'],
      ] as const) {
        const [no] = await client.ended(id)
        t.equal(field(no, ':status'), '403')
        t.equal(field(no, 'access-control-allow-origin'), undefined)
        t.equal(field(no, 'x-grpc-verbatim-error'), token)
      }
      await client.roundTrip()
      t.equal(rig.backend.requests.length, before)
    })

    await t.test('a page that leaves is a reset at the backend', async t => {
      const id = client.request(webFields())
      const call = await arrived(both, id)
      client.rst(id, 8)
      const reset = await call.backend.next('rst', item => item.streamId === call.backendId)
      t.equal(reset.code, 8)
    })

    await t.test('text that is not base64 is answered, and the backend’s stream is reset', async t => {
      const id = client.request(webFields({ 'content-type': 'application/grpc-web-text' }))
      const call = await arrived(both, id)
      client.data(id, 'AA!A')
      const [only] = await client.ended(id)
      t.equal(field(only, 'grpc-status'), '13')
      t.equal(field(only, 'x-grpc-verbatim-error'), 'web-body')
      t.equal(field(only, 'content-type'), 'application/grpc-web-text')
      await call.backend.next('rst', item => item.streamId === call.backendId)
    })

    await t.test('plain gRPC on the same connection is as it was', async t => {
      const id = client.request(requestFields(), { endStream: true })
      const call = await arrived(both, id)
      t.equal(field(call.headers, 'content-type'), 'application/grpc')
      answer(call)
      const came = await client.ended(id)
      t.equal(field(came.at(-1), 'grpc-status'), '0')
    })

    await t.test('a deadline ends the call in the form of gRPC-Web', async t => {
      const id = client.request(webFields({ 'grpc-timeout': '1m' }), { endStream: true })
      const [only] = await client.ended(id)
      t.equal(field(only, 'grpc-status'), '4')
      t.equal(field(only, 'content-type'), 'application/grpc-web+proto')
    })
  })
}

/** Much more than the proxy may hold for one stream; a multiple of 3, so that its base64 has no padding at the end. */
const BODY = Buffer.alloc(3_000_000, '0123456789abcdefghijklmnop')
/** The window of the client, what the proxy holds for a stream, and what a transport buffers between. */
const BOUND_BYTES = 1_000_000
const PLENTY = 2 ** 30

t.test('a page that reads nothing stops its backend, also in text, and gets everything in the end', async t => {
  const rig = await webRig(t, FRAMES!)
  const client = await RawClient.connect(t, rig.port, { auto: { window: false } })
  client.windowUpdate(0, PLENTY)
  const id = client.request(webFields({ 'content-type': 'application/grpc-web-text' }), { endStream: true })
  const { backend, backendId } = await arrived({ ...rig, client }, id)
  backend.headers(backendId, RESPONSE)
  const sending = backend.upload(backendId, BODY)
  await client.received(id, 65_535)
  await backend.roundTrip()
  const sent = backend.windows.sent(backendId)
  t.ok(sent < BOUND_BYTES, `the backend stopped after ${sent} bytes`)
  client.windowUpdate(id, PLENTY)
  await sending
  backend.headers(backendId, TRAILERS, { endStream: true })
  await client.ended(id)
  const segments = client
    .body(id)
    .toString('latin1')
    .match(/[^=]+=*/g)!
  const bytes = Buffer.concat(segments.map(segment => Buffer.from(segment, 'base64')))
  t.ok(bytes.subarray(0, BODY.length).equals(BODY))
  t.equal(bytes.toString('latin1', BODY.length), frameOf('grpc-status:0\r\n'))
})

t.test('a backend that reads nothing stops the page, and gets all of its text in the end', async t => {
  const rig = await webRig(t, FRAMES!)
  const client = await RawClient.connect(t, rig.port)
  rig.backend.onConnection(connection => {
    connection.auto.window = false
  })
  const id = client.request(webFields({ 'content-type': 'application/grpc-web-text' }))
  const { backend, backendId } = await arrived({ ...rig, client }, id)
  backend.windowUpdate(0, PLENTY)
  const sending = client.upload(id, Buffer.from(BODY.toString('base64')), { endStream: true })
  await backend.received(backendId, 65_535)
  await client.roundTrip()
  const sent = client.windows.sent(id)
  t.ok(sent < BOUND_BYTES, `the page stopped after ${sent} bytes`)
  backend.windowUpdate(backendId, PLENTY)
  await sending
  await backend.ended(backendId)
  t.ok(backend.body(backendId).equals(BODY))
})

t.test('over TLS the same, for clients that take h2', async t => {
  const tls = await certificates()
  const rig = await webRig(t, FRAMES!, { tls })
  const client = await RawClient.connect(t, rig.port, { tls: { ca: tls.ca.cert, ALPNProtocols: ['h2', 'http/1.1'] } })
  const id = client.request(webFields(), { endStream: true })
  const call = await arrived({ ...rig, client }, id)
  answer(call)
  await client.ended(id)
  t.match(client.body(id).toString('latin1'), /grpc-status:0/)
})

t.test('a listener that does not take it answers as before', async t => {
  const rig = await webRig(t, FRAMES!, { web: false })
  const client = await RawClient.connect(t, rig.port)
  const id = client.request(webFields(), { endStream: true })
  const [only] = await client.ended(id)
  t.equal(field(only, ':status'), '415')
  const asked = client.request(webFields({ ':method': 'OPTIONS', 'access-control-request-method': 'POST' }), {
    endStream: true,
  })
  const [no] = await client.ended(asked)
  t.equal(field(no, ':status'), '405')
})

t.test('a change of origins holds for the next request; whether it takes gRPC-Web at all stays as it is', async t => {
  const [a, b] = ['https://a.test', 'https://b.test']
  const backends = { main: { endpoints: ['127.0.0.1:1'] } }
  const optionsOf = (web: boolean | WebOptions): ProxyOptions => ({
    log: { level: 'silent' },
    listeners: [{ address: '127.0.0.1:0', web }],
    backends,
  })
  const proxy = createProxy(optionsOf({ origins: [a] }))
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const client = await RawClient.connect(t, bound!.port)
  const asks = { ':method': 'OPTIONS', 'access-control-request-method': 'POST' }
  const answers = async (): Promise<(string | undefined)[]> => {
    const ids = [a, b].map(origin => client.request(webFields({ ...asks, origin }), { endStream: true }))
    return Promise.all(ids.map(async id => field((await client.ended(id))[0], ':status')))
  }
  t.same(await answers(), ['204', '403'])
  await proxy.apply(optionsOf({ origins: [b] }))
  t.same(await answers(), ['403', '204'])
  await t.rejects(proxy.apply(optionsOf(false)), { name: 'UnfitChange', message: /gRPC-Web cannot change/ })
  t.same(await answers(), ['403', '204'])
})
