/** gRPC-Web on one side of a stream, gRPC on the other. */
import t from 'tap'
import { CallMemory } from '../../src/transport/call-memory.ts'
import type { HeaderBlock, ServerSession, Stream, StreamEnd } from '../../src/transport/transport.ts'
import { Cors, type WebRules } from '../../src/web/cors.ts'
import type { Unfit, WebCall } from '../../src/web/web-call.ts'
import { WebStream } from '../../src/web/web-stream.ts'
import { block, FakeStream } from '../support/fake-transport.ts'

const RULES: WebRules = { origins: ['https://app.test'], credentials: false, maxAgeMs: 0 }

/** What stands behind: it writes down what it is told, and releases nothing by itself. */
class Call implements WebCall {
  readonly stream: Stream
  readonly heard: string[] = []
  fields: HeaderBlock = []
  bytes = 0

  constructor(stream: Stream) {
    this.stream = stream
  }

  onHeaders(fields: HeaderBlock, endStream: boolean, unfit?: Unfit): void {
    this.fields = fields
    this.heard.push(`headers${endStream ? ' end' : ''}${unfit === undefined ? '' : ` ${unfit}`}`)
  }
  onOversized(fields: HeaderBlock): void {
    this.fields = fields
    this.heard.push('oversized')
  }
  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.bytes += end - start
    this.heard.push(`data ${JSON.stringify(bytes.toString('latin1', start, end))}${endStream ? ' end' : ''}`)
  }
  onTrailers(): void {
    this.heard.push('trailers')
  }
  onUnfit(why: Unfit): void {
    this.heard.push(why)
  }
  onWritable(): void {
    this.heard.push('writable')
  }
  onClosed(end: StreamEnd): void {
    this.heard.push(end.kind)
  }
  value(name: string): string | undefined {
    return this.fields.find(field => field.name === name)?.value
  }
}

function open(http1?: true) {
  const calls: Call[] = []
  const notWeb: string[] = []
  const context = {
    cors: new Cors(RULES),
    probes: undefined,
    files: undefined,
    isReady: () => true,
    memory: new CallMemory(1_000_000),
    open: (stream: Stream) => {
      const call = new Call(stream)
      calls.push(call)
      return call
    },
    onNotWeb: (_: ServerSession, detail: string) => notWeb.push(detail),
  }
  const down = new FakeStream()
  const web = new WebStream(context, down, { http1 } as ServerSession)
  down.owner = web
  return { down, web, calls, notWeb, call: () => calls[0]! }
}

const request = (extra: Record<string, string> = {}) =>
  block({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': '/pkg.Service/Method',
    ':authority': 'api.test',
    'content-type': 'application/grpc-web+proto',
    'x-user': 'a',
    ...extra,
  })
const TEXT = { 'content-type': 'application/grpc-web-text' }
const RESPONSE = block({ ':status': '200', 'content-type': 'application/grpc', 'x-of': 'backend' })
const names = (fields: HeaderBlock) => fields.map(({ name, value }) => `${name}: ${value}`)

t.test('a request becomes one of gRPC, and its bytes stay as they are', async t => {
  const { down, call } = open()
  down.headers(request({ te: 'x', 'content-length': '7', 'accept-encoding': 'br', 'grpc-timeout': '1S' }))
  t.same(names(call().fields).slice(4), [
    'content-type: application/grpc+proto',
    'x-user: a',
    'grpc-timeout: 1S',
    'te: trailers',
  ])
  down.data('\0\0\0\0\x02hi', true)
  t.same(call().heard, ['headers', 'data "\\u0000\\u0000\\u0000\\u0000\\u0002hi" end'])
  t.equal(down.released, 0, 'the call releases what it gets')
})

t.test('trailers become the last frame of the body', async t => {
  const { down, web } = open()
  down.headers(request(), true)
  web.sendHeaders(RESPONSE, false)
  web.sendData(Buffer.from('-abc-'), 1, 4, false)
  web.sendTrailers(block({ 'grpc-status': '0', 'x-end': '1' }))
  t.same(down.sent, [
    {
      kind: 'headers',
      block: block({ ':status': '200', 'content-type': 'application/grpc-web+proto', 'x-of': 'backend' }),
      endStream: false,
    },
    { kind: 'data', bytes: 'abc', endStream: false },
    { kind: 'data', bytes: '\x80\0\0\0\x18grpc-status:0\r\nx-end:1\r\n', endStream: true },
  ])
})

t.test('an answer that is headers alone stays in the headers', async t => {
  const { down, web } = open()
  down.headers(request(), true)
  web.sendHeaders(block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': '12' }), true)
  t.same(down.sent, [
    {
      kind: 'headers',
      block: block({ ':status': '200', 'content-type': 'application/grpc-web+proto', 'grpc-status': '12' }),
      endStream: true,
    },
  ])
})

t.test('a response that is not gRPC goes on as it came', async t => {
  const { down, web } = open()
  down.headers(request(TEXT), true)
  const page = block({ ':status': '502', 'content-type': 'text/html', 'content-length': '3' })
  web.sendHeaders(page, false)
  web.sendData(Buffer.from('abc'), 0, 3, false)
  web.sendTrailers(block({ x: '1' }))
  t.same(down.kinds, ['headers', 'data', 'trailers'])
  t.equal(down.body, 'abc')
  t.same((down.sent[0] as { block: HeaderBlock }).block, page)
})

t.test('text: each piece is base64 by itself, and so are the trailers', async t => {
  const { down, web } = open()
  down.headers(request(TEXT), true)
  web.sendHeaders(RESPONSE, false)
  down.writable = false
  t.equal(web.sendData(Buffer.from('abcd'), 0, 4, false), false, 'and waits as the stream does')
  down.queuedBytes = 8
  t.equal(web.queuedBytes, 6, 'counted as the bytes that they were')
  web.sendTrailers(block({ 'grpc-status': '0' }))
  t.equal(down.body, `YWJjZA==${Buffer.from('\x80\0\0\0\x0fgrpc-status:0\r\n', 'latin1').toString('base64')}`)
})

t.test('text: what the call is given is released by it, the rest at once, and never more than came', async t => {
  const { down, web, call } = open()
  down.headers(request(TEXT))
  for (const piece of ['A', 'AA', 'AAAJ', 'oaQ', '==']) {
    down.data(piece)
    t.ok(down.released <= down.received - call().bytes + 3, piece)
  }
  down.data('', true)
  const heard = ['\0\0\0', '\0\x02h', 'i', ''].map(text => `data ${JSON.stringify(text)}`)
  t.same(call().heard, ['headers', ...heard.with(-1, 'data "" end')])
  web.release(call().bytes)
  t.equal(down.released, down.received)
  t.same(down.misuse, [])
})

t.test('text that is not base64, or ends in the middle of four, ends the call', async t => {
  for (const [pieces, released] of [
    [['AAAA', 'A!'], 3],
    [['AAAAA'], 5],
  ] as const) {
    const { down, web, call } = open()
    down.headers(request(TEXT))
    for (const [i, piece] of pieces.entries()) down.data(piece, i === pieces.length - 1 && !piece.includes('!'))
    t.equal(call().heard.at(-1), 'web-body', pieces.join())
    web.release(call().bytes)
    t.equal(down.released, down.received, `${released} are given back`)
    t.same(down.misuse, [])
  }
  const { down, call } = open()
  down.headers(request(TEXT))
  down.data('!')
  down.data('AAAA', true)
  t.same(call().heard, ['headers', 'web-body'], 'what comes behind it is nobody’s')
  t.equal(down.released, 5)
  const cut = open()
  cut.down.headers(request(TEXT))
  cut.down.data('AA')
  cut.down.trailers(block({ x: '1' }))
  t.same(cut.call().heard, ['headers', 'web-body'], 'trailers end it too')
})

t.test('a page of another origin gets its CORS fields, with the names that it may read', async t => {
  const { down, web } = open()
  down.headers(request({ origin: 'https://app.test' }), true)
  const own = { 'access-control-allow-origin': '*', 'content-length': '9', trailer: 'grpc-status' }
  web.sendHeaders(block({ ':status': '200', 'content-type': 'application/grpc', 'x-of': 'backend', ...own }), false)
  t.same(names((down.sent[0] as { block: HeaderBlock }).block), [
    ':status: 200',
    'content-type: application/grpc-web+proto',
    'x-of: backend',
    'access-control-allow-origin: https://app.test',
    'vary: origin',
    'access-control-expose-headers: x-of',
  ])
})

t.test('a page that may not call is no call for a backend', async t => {
  const { down, web, call } = open()
  down.headers(request({ origin: 'https://evil.test' }), true)
  t.same(call().heard, ['headers end web-origin'])
  web.sendHeaders(block({ ':status': '403' }), true)
  t.same((down.sent[0] as { block: HeaderBlock }).block, block({ ':status': '403' }), 'and is told nothing of CORS')
})

t.test('a preflight is answered here', async t => {
  const asks = { ':method': 'OPTIONS', origin: 'https://app.test', 'access-control-request-method': 'POST' }
  const { down, calls } = open()
  down.headers(request(asks), true)
  t.equal((down.sent[0] as { block: HeaderBlock }).block[0]?.value, '204')
  t.same(calls, [])
  const sending = open()
  sending.down.headers(request(asks))
  t.same(sending.down.kinds, ['headers', 'reset'], 'a body is not waited for')
})

t.test('what is not gRPC-Web goes on as it came: the call has the stream itself', async t => {
  const others: Record<string, string>[] = [
    { 'content-type': 'application/grpc' },
    { 'content-type': 'text/plain' },
    { ':method': 'GET' },
  ]
  for (const extra of others) {
    const { down, call } = open()
    const fields = request(extra)
    down.headers(fields)
    down.data('A', true)
    t.equal(call().stream, down)
    t.equal(call().fields, fields)
    t.same(call().heard, ['headers', 'data "A" end'])
  }
})

t.test('over HTTP/1.1 it gets a sentence', async t => {
  for (const [extra, status, sentence] of [
    [{ ':method': 'GET' }, '405', /POST/],
    [{ 'content-type': 'application/grpc' }, '505', /gRPC needs HTTP\/2/],
    [{ 'content-type': 'application/json' }, '415', /takes gRPC-Web/],
  ] as const) {
    const { down, calls, notWeb } = open(true)
    down.headers(request(extra), true)
    t.equal((down.sent[0] as { block: HeaderBlock }).block[0]?.value, status)
    t.match(down.body, sentence)
    t.equal(down.endSent, true)
    t.equal(notWeb.length, 1)
    t.same(calls, [])
  }
})

t.test('a header list above the limit, and the end of a stream, reach the call', async t => {
  const { down, web, call } = open()
  web.onOversized(request(TEXT), false)
  t.equal(call().value('content-type'), 'application/grpc')
  web.onOversized(block({ x: '1' }), true)
  down.close({ kind: 'reset', code: 8, by: 'peer' })
  t.same(call().heard, ['oversized', 'oversized', 'reset'])
})

t.test('a trailer with a line break would be two: it is refused', async t => {
  const { down, web } = open()
  down.headers(request(), true)
  web.sendHeaders(RESPONSE, false)
  t.throws(() => web.sendTrailers(block({ 'grpc-message': 'a\r\nx: y' })), { name: 'HeadersRefused' })
  t.equal(down.endSent, false)
})
