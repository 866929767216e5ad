import fc from 'fast-check'
import t from 'tap'
import { HTTP1_ANSWER, judgeFirstBytes } from '../../src/transport/preface.ts'

/** RFC 9113 §3.4, in its own hexadecimal. */
const PREFACE = Buffer.from('505249202a20485454502f322e300d0a0d0a534d0d0a0d0a', 'hex')

t.test('the preface: every beginning of it may become it', async t => {
  for (let length = 0; length < PREFACE.length; length++) t.equal(judgeFirstBytes(PREFACE.subarray(0, length)), 'more')
  t.equal(judgeFirstBytes(PREFACE), 'http2')
  t.equal(judgeFirstBytes(Buffer.concat([PREFACE, Buffer.from([0, 0, 0, 4, 0])])), 'http2', 'with what follows')
})

t.test('one wrong byte anywhere, and it is not HTTP/2', async t => {
  for (let at = 0; at < PREFACE.length; at++) {
    const wrong = Buffer.from(PREFACE)
    wrong[at] = wrong[at]! ^ 0x80
    t.not(judgeFirstBytes(wrong), 'http2', `byte ${at}`)
    t.not(judgeFirstBytes(wrong), 'more', `byte ${at}`)
  }
})

t.test('HTTP/1 requests', async t => {
  const methods = [
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'DELETE',
    'CONNECT',
    'OPTIONS',
    'TRACE',
    'PATCH',
    'PROPFIND',
    'P',
    'PR',
    'PRI',
  ]
  for (const method of [...methods, 'UPDATEREDIRECTREF', 'VERSION-CONTROL'.replace('-', '')]) {
    const request = Buffer.from(`${method} / HTTP/1.1\r\nhost: x\r\n\r\n`)
    t.equal(judgeFirstBytes(request), 'http1', method)
    for (let length = 0; length <= method.length; length++) {
      t.equal(judgeFirstBytes(request.subarray(0, length)), 'more', `${length} bytes of ${method}`)
    }
  }
})

t.test('neither', async t => {
  const others = {
    'a TLS ClientHello': Buffer.from('16030100f4010000f00303', 'hex'),
    'HTTP/2 without preface': Buffer.from('000000040000000000', 'hex'),
    'a lower-case method': Buffer.from('get / HTTP/1.1\r\n'),
    'a proxy protocol header': Buffer.from('\r\n\r\n\0\r\nQUIT\n'),
    'a word without end': Buffer.from('A'.repeat(40)),
    'a line break first': Buffer.from('\r\nGET / HTTP/1.1\r\n'),
  }
  for (const [name, bytes] of Object.entries(others)) t.equal(judgeFirstBytes(bytes), 'unknown', name)
})

t.test('a verdict, once given, is not changed by what follows', async () => {
  const start = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: fc.constantFrom(...'PRI * GETHTTP/2.0\r\nSM'), maxLength: 40 }).map(text => Buffer.from(text)),
    fc.nat({ max: PREFACE.length }).map(length => PREFACE.subarray(0, length)),
  )
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 40 }), (start, rest) => {
      const verdict = judgeFirstBytes(Buffer.from(start))
      return verdict === 'more' || judgeFirstBytes(Buffer.concat([start, rest])) === verdict
    }),
    { numRuns: 2_000 },
  )
})

t.test('40 bytes are enough for any verdict', async () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 40, maxLength: 64 }),
      bytes => judgeFirstBytes(Buffer.from(bytes)) !== 'more',
    ),
  )
})

t.test('the answer to an HTTP/1 client is a whole response', async t => {
  const [head, body] = HTTP1_ANSWER.split('\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 505 /)
  t.match(head, /^connection: close$/m)
  t.equal(Number(/^content-length: (\d+)\r?$/m.exec(head!)![1]), Buffer.byteLength(body!))
})
