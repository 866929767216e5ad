import fc from 'fast-check'
import t from 'tap'
import {
  decodeMessage,
  encodeMessage,
  GrpcError,
  STATUS_NAMES,
  Status,
  statusName,
  statusOf,
  statusOfReset,
} from '../../src/grpc/status.ts'
import { ErrorCode } from '../../src/wire/errors.ts'

/** statuscodes.md, in its own order. */
const NAMES = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE'],
  ...['UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
]

t.test('the codes of statuscodes.md, 0 to 16', async t => {
  t.same(STATUS_NAMES, NAMES)
  t.same(Object.values(Status), [...NAMES.keys()])
  for (const [code, name] of NAMES.entries()) t.equal(statusName(code), name)
  for (const code of [-1, 17, 99, 1.5, Number.NaN]) t.equal(statusName(code), `code ${code}`)
})

t.test('a reset before a response: the table of PROTOCOL-HTTP2.md', async t => {
  const table: [keyof typeof ErrorCode, keyof typeof Status][] = [
    ['NO_ERROR', 'INTERNAL'],
    ['PROTOCOL_ERROR', 'INTERNAL'],
    ['INTERNAL_ERROR', 'INTERNAL'],
    ['FLOW_CONTROL_ERROR', 'INTERNAL'],
    ['SETTINGS_TIMEOUT', 'INTERNAL'],
    ['FRAME_SIZE_ERROR', 'INTERNAL'],
    ['COMPRESSION_ERROR', 'INTERNAL'],
    ['CONNECT_ERROR', 'INTERNAL'],
    ['REFUSED_STREAM', 'UNAVAILABLE'],
    ['CANCEL', 'CANCELLED'],
    ['ENHANCE_YOUR_CALM', 'RESOURCE_EXHAUSTED'],
    ['INADEQUATE_SECURITY', 'PERMISSION_DENIED'],
  ]
  for (const [code, status] of table) t.equal(statusName(statusOfReset(ErrorCode[code])), status, code)
})

t.test('a reset that has no row in the table is UNKNOWN', async t => {
  for (const code of [ErrorCode.STREAM_CLOSED, ErrorCode.HTTP_1_1_REQUIRED, 0xe, 0xffffffff]) {
    t.equal(statusOfReset(code), Status.UNKNOWN)
  }
})

t.test('the grpc-status of a block: the last one, if it is a number', async t => {
  const cases: [values: string[], status: number][] = [
    [['0'], 0],
    [['99'], 99],
    [['5', '0'], 0],
    [[], -1],
    [[''], -1],
    [['OK'], -1],
    [['-1'], -1],
    [['1 '], -1],
    [['1234567890'], -1],
  ]
  for (const [values, status] of cases) {
    const block = ['x', ...values, 'y'].map((value, at) => ({
      name: at > 0 && at <= values.length ? 'grpc-status' : 'other',
      value,
    }))
    t.equal(statusOf(block), status, values.join())
  }
})

t.test('GrpcError by name and by code', async t => {
  for (const [code, name] of NAMES.entries()) {
    t.equal(new GrpcError(name as keyof typeof Status, 'x').status, code)
    t.equal(new GrpcError(code as 0, 'x').status, code)
  }
  const error = new GrpcError('NOT_FOUND', 'no such tenant')
  t.type(error, Error)
  t.match(error, { name: 'GrpcError', message: 'no such tenant', status: 5 })
})

t.test('GrpcError of a status that does not exist', async t => {
  const wrong = [17, -1, 1.5, Number.NaN, '14', 'not_found', '', 'toString', '__proto__', undefined, null]
  for (const status of wrong) t.throws(() => new GrpcError(status as never, 'x'), RangeError, String(status))
})

/** As PROTOCOL-HTTP2.md tells a receiver, byte by byte. */
function textOf(encoded: string): string {
  const bytes: number[] = []
  for (let i = 0; i < encoded.length; i++) {
    if (encoded[i] !== '%') bytes.push(encoded.charCodeAt(i))
    else {
      bytes.push(Number.parseInt(encoded.slice(i + 1, i + 3), 16))
      i += 2
    }
  }
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
}

t.test('grpc-message: unchanged from space to tilde, but for percent', async t => {
  const printable = `a${Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i)).join('')}`
  t.equal(encodeMessage(printable), printable.replace('%', '%25'))
  t.equal(encodeMessage(''), '')
  t.equal(encodeMessage('100 %'), '100 %25')
  t.equal(encodeMessage('%41'), '%2541')
})

// RFC 9113 §8.2.1: a value with them is malformed, and the whole answer would be.
t.test('grpc-message: spaces at its edges are encoded', async t => {
  t.equal(encodeMessage('go away '), 'go away%20')
  t.equal(encodeMessage(' two  words '), '%20two  words%20')
  t.equal(encodeMessage('  '), '%20%20')
  t.equal(encodeMessage(' '), '%20')
  t.equal(encodeMessage('\t'), '%09')
})

t.test('grpc-message: everything else by its UTF-8 bytes', async t => {
  t.equal(encodeMessage('a\r\nb\0\x7f'), 'a%0D%0Ab%00%7F')
  t.equal(encodeMessage('a\n'), 'a%0A')
  t.equal(encodeMessage('ü'), '%C3%BC')
  t.equal(encodeMessage('日'), '%E6%97%A5')
  t.equal(encodeMessage('🦊 at 5 %'), '%F0%9F%A6%8A at 5 %25')
})

t.test('grpc-message: any text comes back, in printable ASCII only', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const encoded = encodeMessage(text)
      return /^(?:[ -$&-~]|%[0-9A-F]{2})*$/.test(encoded) && textOf(encoded) === text && decodeMessage(encoded) === text
    }),
  )
})

t.test('grpc-message: half a surrogate pair becomes the replacement character', async t => {
  t.equal(textOf(encodeMessage('a\ud800b')), 'a\ufffdb')
})

t.test('grpc-message: what is badly encoded is shown as far as it can be read', async t => {
  t.equal(decodeMessage('100 % sure'), '100 % sure')
  t.equal(decodeMessage('cut %E6%97%A'), 'cut \ufffd%A')
  t.equal(decodeMessage('%FF%C3%BC'), '\ufffd\u00fc')
  t.equal(decodeMessage('plain \xfc'), 'plain \xfc', 'nothing is escaped: left alone')
})
