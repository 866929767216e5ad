/** The Connect protocol on a client's side, gRPC on the backend's, byte by byte. */
import t, { type Test } from 'tap'
import { field, TRAILERS } from '../contract/rig.ts'
import { RawClient } from '../support/raw-client.ts'
import { arrived, asked, FRAMES, Http1Client, NATIVE, PAGE, PATH, type WebRig, webFields, webRig } from './rig.ts'

const UNARY = { 'content-type': 'application/proto', 'connect-protocol-version': '1' }
const STREAM = { 'content-type': 'application/connect+proto', 'connect-protocol-version': '1' }

/** @param body chunked where there is no length */
function call(t: Test, { port }: WebRig, fields: Record<string, string>, body: string, length = true): Http1Client {
  const all = { host: 'api.test', origin: PAGE, ...fields, ...(length && { 'content-length': String(body.length) }) }
  const lines = Object.entries(length ? all : { ...all, 'transfer-encoding': 'chunked' }).map(
    one => `${one.join(': ')}\r\n`,
  )
  const client = Http1Client.to(t, port)
  const chunks = [...body].map(one => `1\r\n${one}\r\n`).join('')
  client.write(`POST ${PATH} HTTP/1.1\r\n${lines.join('')}\r\n${length ? body : `${chunks}0\r\n\r\n`}`)
  return client
}

const ANSWER = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
  ['x-of', 'backend'],
] as const

for (const pairing of [FRAMES, NATIVE]) {
  t.test(`a unary call, on ${pairing.name}`, async t => {
    const rig = await webRig(t, pairing)
    const client = call(
      t,
      rig,
      { ...UNARY, 'connect-timeout-ms': '60000', 'accept-encoding': 'gzip', 'grpc-status': '0' },
      'ask',
    )
    const { backend, backendId, headers } = await arrived(rig)
    const values = Object.fromEntries(headers.fields.map(({ name, value }) => [name, value]))
    t.match(values, { 'content-type': 'application/grpc+proto', te: 'trailers', 'grpc-accept-encoding': 'gzip' })
    t.match(values['grpc-timeout'], /^\d+[num]$/)
    for (const name of ['connect-protocol-version', 'connect-timeout-ms', 'content-length', 'grpc-status'])
      t.notOk(name in values, name)
    const data = await backend.next('data', ({ streamId }) => streamId === backendId)
    t.match(asked, data.data.toString('latin1').slice(0, 5))
    backend.headers(backendId, ANSWER)
    backend.data(backendId, Buffer.from('\0\0\0\0\x05hello', 'latin1'))
    backend.headers(backendId, [...TRAILERS, ['x-end', '1']], { endStream: true })
    const answer = await client.gets('hello')
    t.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
    for (const line of ['content-type: application/proto', 'content-length: 5', 'x-of: backend', 'trailer-x-end: 1'])
      t.match(answer, `${line}\r\n`)
    t.ok(answer.endsWith('\r\n\r\nhello'), 'no prefix')
    t.notMatch(answer, 'grpc-')
  })

  t.test(`a unary request without a length, in pieces, on ${pairing.name}`, async t => {
    const rig = await webRig(t, pairing)
    call(t, rig, { ...UNARY, 'content-type': 'application/json' }, '{"a":1}', false)
    const { backend, backendId, headers } = await arrived(rig)
    t.equal(headers.fields.find(({ name }) => name === 'content-type')?.value, 'application/grpc+json')
    let came = ''
    while (came.length < 12)
      came += (await backend.next('data', ({ streamId }) => streamId === backendId)).data.toString('latin1')
    t.equal(came, '\0\0\0\0\x07{"a":1}')
  })

  t.test(`an error with details, on ${pairing.name}`, async t => {
    const rig = await webRig(t, pairing)
    const client = call(t, rig, UNARY, 'ask')
    const { backend, backendId } = await arrived(rig)
    const any = Buffer.from([0x0a, 5, ...Buffer.from('t/a.B'), 0x12, 2, 0, 255])
    const status = Buffer.from([8, 5, 0x1a, any.length, ...any]).toString('base64')
    backend.headers(
      backendId,
      [...ANSWER, ['grpc-status', '5'], ['grpc-message', 'no%20such'], ['grpc-status-details-bin', status]],
      { endStream: true },
    )
    const answer = await client.gets('}]}')
    t.match(answer, /^HTTP\/1\.1 404 /)
    t.match(answer, 'content-type: application/json\r\n')
    t.match(answer, '{"code":"not_found","message":"no such","details":[{"type":"a.B","value":"AP8"}]}')
  })

  t.test(`a stream, on ${pairing.name}`, async t => {
    const rig = await webRig(t, pairing)
    const client = call(t, rig, { ...STREAM, 'connect-accept-encoding': 'br' }, asked)
    const { backend, backendId, headers } = await arrived(rig)
    t.equal(headers.fields.find(({ name }) => name === 'grpc-accept-encoding')?.value, 'br')
    backend.headers(backendId, ANSWER)
    backend.data(backendId, Buffer.from('\0\0\0\0\x05hello', 'latin1'))
    await client.gets('\0\0\0\0\x05hello')
    backend.headers(
      backendId,
      [
        ['grpc-status', '9'],
        ['x-end', '1'],
        ['x-end', '2'],
      ],
      { endStream: true },
    )
    const json = '{"error":{"code":"failed_precondition"},"metadata":{"x-end":["1","2"]}}'
    const answer = await client.gets(json)
    t.match(answer, 'content-type: application/connect+proto\r\n')
    t.match(answer, `\x02\0\0\0${String.fromCharCode(json.length)}${json}`)
  })
}

t.test('what does not fit into a unary call', async t => {
  const rows = [
    ['two messages', '\0\0\0\0\x01a\0\0\0\0\x01b', 'HTTP/1.1 501 '],
    ['no message', '', 'HTTP/1.1 501 '],
    ['half a message', '\0\0\0\0\x05hel', 'HTTP/1.1 501 '],
  ] as const
  for (const [name, body, expected] of rows) {
    const rig = await webRig(t, FRAMES)
    const client = call(t, rig, UNARY, 'ask')
    const { backend, backendId } = await arrived(rig)
    backend.headers(backendId, ANSWER)
    backend.data(backendId, Buffer.from(body, 'latin1'))
    backend.headers(backendId, TRAILERS, { endStream: true })
    t.match(await client.gets('"code":'), expected, name)
  }
})

t.test('a unary response that ends without trailers has no status', async t => {
  const rig = await webRig(t, FRAMES)
  const client = call(t, rig, UNARY, 'ask')
  const { backend, backendId } = await arrived(rig)
  backend.headers(backendId, ANSWER)
  backend.data(backendId, Buffer.from('\0\0\0\0\x05hello', 'latin1'), { endStream: true })
  const answer = await client.gets('"code":"unknown"')
  t.match(answer, 'HTTP/1.1 500 ')
  t.notMatch(answer, 'hello')
})

t.test('a unary response that is too long ends, and its backend hears of it; memory is given back', async t => {
  const rig = await webRig(t, FRAMES, { limits: { maxCallBytes: 1_048_576 } })
  const client = call(t, rig, UNARY, 'ask')
  const { backend, backendId } = await arrived(rig)
  backend.headers(backendId, ANSWER)
  for (let i = 0; i < 70; i++) backend.data(backendId, Buffer.alloc(16_000))
  t.match(await client.gets('"code":'), 'HTTP/1.1 429 ')
  await backend.next('rst', ({ streamId }) => streamId === backendId)
})

t.test('the same while the request has not ended: the rest of it is not wanted', async t => {
  const rig = await webRig(t, FRAMES, { limits: { maxCallBytes: 1_048_576 } })
  const client = await RawClient.connect(t, rig.port)
  const id = client.request(webFields({ ...UNARY, 'content-length': '7' }))
  const { backend, backendId } = await arrived(rig)
  backend.headers(backendId, ANSWER)
  for (let i = 0; i < 70; i++) backend.data(backendId, Buffer.alloc(16_000))
  t.equal(field(await client.next('headers', id), ':status'), '429')
  t.equal((await client.next('rst', id)).code, 0)
  await backend.next('rst', ({ streamId }) => streamId === backendId)
  t.equal(rig.proxy.counts().calls, 0)
})

t.test('a request longer than 32 KiB says its length, or is refused', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  const fields = Object.entries({ host: 'api.test', origin: PAGE, ...UNARY, 'transfer-encoding': 'chunked' })
  client.write(`POST ${PATH} HTTP/1.1\r\n${fields.map(one => `${one.join(': ')}\r\n`).join('')}\r\n`)
  client.write(`8001\r\n${'x'.repeat(0x8001)}\r\n`)
  t.match(await client.gets('\r\n\r\n'), /^HTTP\/1\.1 [45]\d\d /)
})

t.test('not taken: without the version, by GET, and of a page that may not call', async t => {
  const rig = await webRig(t, FRAMES)
  const rows = [
    [{ 'content-type': 'application/json' }, 415],
    [{ ...UNARY, 'connect-protocol-version': '2' }, 415],
    [{ ...UNARY, 'content-type': 'application/protobuf' }, 415],
    [{ ...UNARY, origin: 'https://other.test' }, 403],
  ] as const
  for (const [fields, status] of rows) {
    const answer = await call(t, rig, fields, '{}').gets('\r\n\r\n')
    t.match(answer, `HTTP/1.1 ${status} `, JSON.stringify(fields))
  }
  t.equal(rig.backend.requests.length, 0)
})
