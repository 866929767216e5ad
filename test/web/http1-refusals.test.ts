import t, { type Test } from 'tap'
import { answer, field } from '../contract/rig.ts'
import { idle } from '../support/until.ts'
import { arrived, asked, FRAMES, Http1Client, http1Head, PATH, type WebRig, webRig } from './rig.ts'

async function goesOn(t: Test, rig: WebRig): Promise<void> {
  const client = Http1Client.to(t, rig.port)
  client.write(http1Head({ 'content-length': '0', 'x-after': 'all' }))
  const { connection, streamId } = await rig.backend.request(({ headers }) => field(headers, 'x-after') === 'all')
  answer({ backend: connection, backendId: streamId })
  await client.gets('0\r\n\r\n')
}

t.test('what is not gRPC-Web gets a sentence', async t => {
  const rig = await webRig(t, FRAMES)
  for (const [text, answered] of [
    ['GET / HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1.1 405 [\s\S]*allow: POST, OPTIONS[\s\S]*takes gRPC-Web/],
    [
      http1Head({ 'content-type': 'application/grpc', 'content-length': '0' }),
      /^HTTP\/1.1 505 [\s\S]*gRPC needs HTTP\/2/,
    ],
    [http1Head({ 'content-type': 'text/plain', 'content-length': '0' }), /^HTTP\/1.1 415 [\s\S]*application\/grpc-web/],
  ] as const) {
    const client = Http1Client.to(t, rig.port)
    client.write(text)
    await client.gets(answered)
  }
  t.equal(rig.backend.requests.length, 0)
})

t.test('what two parsers could read differently is refused, and no byte of it reaches a backend', async t => {
  const rig = await webRig(t, FRAMES)
  const attacks: [what: string, text: string, answered: RegExp][] = [
    ['two lengths', http1Head({ 'content-length': '8', 'transfer-encoding': 'chunked' }), /^HTTP\/1.1 400 /],
    [
      'a length twice',
      http1Head({ 'content-length': '8' }).replace('\r\n\r\n', '\r\ncontent-length: 9\r\n\r\n'),
      /^HTTP\/1.1 400 /,
    ],
    ['a list of lengths', http1Head({ 'content-length': '8, 8' }), /^HTTP\/1.1 400 /],
    ['a length with a sign', http1Head({ 'content-length': '+8' }), /^HTTP\/1.1 400 /],
    ['chunked, but not last', http1Head({ 'transfer-encoding': 'chunked, gzip' }), /^HTTP\/1.1 400 /],
    ['another coding', http1Head({ 'transfer-encoding': 'xchunked' }), /^HTTP\/1.1 501 /],
    ['line feeds alone', http1Head({ 'content-length': '8' }).replaceAll('\r\n', '\n'), /^HTTP\/1.1 400 /],
    ['a line feed alone', http1Head({ 'content-length': '8' }).replace('\r\nx-grpc', '\nx-grpc'), /^HTTP\/1.1 400 /],
    [
      'a carriage return alone',
      http1Head({ 'content-length': '8' }).replace('\r\nx-grpc', '\rx-grpc'),
      /^HTTP\/1.1 400 /,
    ],
    ['a folded line', http1Head({ 'content-length': '8' }).replace('\r\nx-grpc', '\r\n x-grpc'), /^HTTP\/1.1 400 /],
    [
      'a space before the colon',
      http1Head({ 'content-length': '8' }).replace('content-length:', 'content-length :'),
      /^HTTP\/1.1 400 /,
    ],
    ['NUL in a value', http1Head({ 'x-user': 'a\0b', 'content-length': '8' }), /^HTTP\/1.1 400 /],
    ['no host', http1Head({ 'content-length': '8' }).replace('host: api.test\r\n', ''), /^HTTP\/1.1 400 /],
    ['two hosts', http1Head({ 'content-length': '8' }).replace('host:', 'host: evil.test\r\nhost:'), /^HTTP\/1.1 400 /],
    ['a target that is none', http1Head({ 'content-length': '8' }).replace(PATH, '*'), /^HTTP\/1.1 400 /],
    ['HTTP/1.0', http1Head({ 'content-length': '8' }).replace('HTTP/1.1', 'HTTP/1.0'), /^HTTP\/1.1 505 /],
    ['a tunnel', http1Head({}).replace(`POST ${PATH}`, 'CONNECT a:1'), /^$/],
    ['a chunk of no size', `${http1Head({ 'transfer-encoding': 'chunked' })}x\r\n`, /^(HTTP\/1.1 400 |$)/],
    ['a large head', http1Head({ 'x-large': 'a'.repeat(80_000) }), /^HTTP\/1.1 431 /],
    [
      'many fields',
      http1Head(Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`x-${i}`, '1']))),
      /^HTTP\/1.1 431 /,
    ],
  ]
  for (const [what, text, answered] of attacks) {
    const client = Http1Client.to(t, rig.port)
    client.write(`${text}${asked}`)
    t.match(await client.ended(), answered, what)
  }
  await goesOn(t, rig)
  t.same(
    rig.backend.requests.map(({ headers }) => field(headers, ':path')).filter(path => path !== PATH),
    [],
  )
  await idle(rig.proxy)
})

t.test('a target with an authority: that is the authority, whatever host says', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  client.write(http1Head({ 'content-length': '0' }).replace(PATH, `http://other.test${PATH}`))
  const call = await arrived(rig)
  t.equal(field(call.headers, ':authority'), 'other.test')
  t.equal(field(call.headers, 'host'), undefined)
  answer(call)
  await client.gets('0\r\n\r\n')
})

t.test('an offer of another protocol is not taken, and goes no further', async t => {
  const rig = await webRig(t, FRAMES)
  const client = Http1Client.to(t, rig.port)
  const offer = {
    connection: 'Upgrade, HTTP2-Settings',
    upgrade: 'h2c, websocket',
    'http2-settings': 'AAMAAABkAAQAAP__',
  }
  client.write(http1Head({ 'content-length': '0', ...offer }))
  const call = await arrived(rig)
  for (const name of Object.keys(offer)) t.equal(field(call.headers, name), undefined)
  answer(call)
  t.match(await client.gets('0\r\n\r\n'), /^HTTP\/1.1 200 OK/)
})

t.test('a head that does not come is not waited for: neither the first nor the next', async t => {
  const rig = await webRig(t, FRAMES, { limits: { prefaceTimeoutMs: 200 } })
  const first = Http1Client.to(t, rig.port)
  first.write('POST / HTTP/1.1\r\nhost: a\r\n')
  t.match(await first.ended(), /^HTTP\/1.1 408 /)
  const next = Http1Client.to(t, rig.port)
  next.write(http1Head({ 'content-length': '0' }))
  answer(await arrived(rig))
  await next.gets('0\r\n\r\n')
  next.received = ''
  next.write('POST / HTTP/1.1\r\nhost: a\r\n')
  t.match(await next.ended(), /^HTTP\/1.1 408 /)
})

t.test('a listener that does not take it says so, as before', async t => {
  const rig = await webRig(t, FRAMES, { web: false })
  const client = Http1Client.to(t, rig.port)
  client.write(http1Head({ 'content-length': '0' }))
  t.match(await client.ended(), /^HTTP\/1.1 505 HTTP Version Not Supported/)
})
