/** Malformed messages: each rule with its token, and what is well formed. */
import t from 'tap'
import { HeaderField, Mode } from '../../src/wire/hpack/header-field.ts'
import { fieldOf, nameOf } from '../../src/wire/hpack/interning.ts'
import { mended, mendedValue } from '../../src/wire/mended.ts'
import {
  checkRequest,
  checkResponse,
  checkTrailers,
  contentLengthOf,
  statusOf,
  unsendable,
} from '../../src/wire/message-rules.ts'

type Pair = readonly [string, string]
const GOOD: readonly Pair[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/a/b'],
  [':authority', 'x'],
]
const fields = (pairs: readonly Pair[]) => pairs.map(([name, value]) => fieldOf(name, value))
const request = (...more: Pair[]) => checkRequest(fields([...GOOD, ...more]))
const response = (...pairs: Pair[]) => checkResponse(fields(pairs))

t.test('names and values', async t => {
  t.equal(request(['te', 'trailers'], ['x-a', 'b c\x7f\xff'], ['x-empty', '']), undefined)
  for (const name of ['X-a', 'x a', 'x\0', 'x\x7f', 'x\xe4', 'a:b', '', 'x\t'])
    t.equal(request([name, 'v']), 'field-name', JSON.stringify(name))
  for (const value of ['a\0b', 'a\rb', 'a\nb', ' a\n', `${'v'.repeat(200)}\n`])
    t.equal(request(['x-a', value]), 'field-value', JSON.stringify(value))
  for (const value of [' a', 'a ', '\ta', 'a\t', ' ', '\x01 ', `${'v'.repeat(200)} `])
    t.equal(request(['x-a', value]), 'mendable', JSON.stringify(value))
  t.equal(request(['te', ' trailers']), 'mendable')
  t.equal(request(['grpc-message', 'caf\xe9']), 'mendable')
  t.equal(checkRequest(fields([GOOD[0]!, GOOD[1]!, [':path', '/a ']])), 'field-value', 'not of a pseudo-header field')
  for (const name of ['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'])
    t.equal(request([name, 'x']), 'connection-specific-field', name)
  t.equal(request(['te', 'gzip']), 'te-value')
  t.equal(request(['te', 'trailers, gzip']), 'te-value')
})

t.test('pseudo-header fields of requests', async t => {
  t.equal(request([':status', '200']), 'pseudo-header-unknown')
  t.equal(request([':protocol', 'x']), 'pseudo-header-unknown')
  t.equal(request([':path', '/c']), 'pseudo-header-duplicate')
  t.equal(checkRequest(fields([['x-a', 'b'], ...GOOD])), 'pseudo-header-late')
  for (let i = 0; i < 3; i++) {
    const without = GOOD.filter((_, at) => at !== i)
    t.equal(checkRequest(fields(without)), 'pseudo-header-missing', GOOD[i]![0])
  }
  t.equal(checkRequest(fields(GOOD.slice(0, 3))), undefined, ':authority may be missing')
  t.equal(checkRequest([]), 'pseudo-header-missing')
  t.equal(checkRequest(fields([GOOD[0]!, GOOD[1]!, [':path', '']])), 'pseudo-header-value')
  const connect: Pair[] = [
    [':method', 'CONNECT'],
    [':authority', 'x:1'],
  ]
  t.equal(checkRequest(fields(connect)), undefined)
  t.equal(checkRequest(fields([...connect, [':path', '/']])), 'pseudo-header-missing')
})

t.test('responses', async t => {
  t.equal(response([':status', '200'], ['a', 'b']), undefined)
  t.equal(response(), 'pseudo-header-missing')
  t.equal(response(['a', 'b']), 'pseudo-header-missing')
  t.equal(response(['a', 'b'], [':status', '200']), 'pseudo-header-late')
  t.equal(response([':status', '200'], [':status', '200']), 'pseudo-header-duplicate')
  t.equal(response([':status', '200'], [':path', '/']), 'pseudo-header-unknown')
  for (const status of ['', '20', '2000', '2x0', '099', '101'])
    t.equal(response([':status', status]), 'pseudo-header-value', status)
  t.equal(response([':status', '200'], ['Upgrade', 'x']), 'field-name')
  t.equal(statusOf(fields([[':status', '404']])), 404)
})

t.test('trailers', async t => {
  t.equal(checkTrailers(fields([['grpc-status', '0']])), undefined)
  t.equal(checkTrailers([]), undefined)
  t.equal(checkTrailers(fields([[':status', '200']])), 'pseudo-header-in-trailers')
  t.equal(checkTrailers(fields([['connection', 'x']])), 'connection-specific-field')
})

t.test('content-length', async t => {
  const block = fields([...GOOD, ['content-length', '17']])
  t.equal(checkRequest(block), undefined)
  t.equal(contentLengthOf(block), 17)
  t.equal(contentLengthOf(fields(GOOD)), -1)
  for (const value of ['', '-1', '1,1', '+1', '0x1', '1234567890123456'])
    t.equal(request(['content-length', value]), 'content-length-value', value)
  t.equal(request(['content-length', '1'], ['content-length', '1']), 'content-length-value')
  t.equal(response([':status', '200'], ['content-length', 'x']), 'content-length-value')
})

t.test('what was found out is kept with the field', async t => {
  const field = new HeaderField(nameOf('x-kept'), 'v', Mode.LITERAL)
  t.equal(field.note, 0)
  checkTrailers([field])
  const { note } = field
  t.not(note, 0)
  checkTrailers([field])
  t.equal(field.note, note)
})

t.test('what we would send', async t => {
  const sent = (...pairs: Pair[]) => unsendable(pairs.map(([name, value]) => ({ name, value, neverIndexed: false })))
  const asked = (...more: Pair[]) => [sent(...GOOD, ...more), unsendable(fields([...GOOD, ...more]))]
  const both = (reason: string | undefined) => [reason, reason]
  t.same(asked(['a', 'b'], ['a', '\t b'.trim()], ['te', 'trailers'], ['content-length', '1']), both(undefined))
  t.same(asked(['a', 'b\tc ~']), both(undefined))
  t.equal(sent([':status', '200'], ['a', '']), undefined)
  t.equal(sent(), undefined)
  for (const value of [
    'b\n',
    'b\x01',
    'b\x7f',
    'b\xe9',
    ' b',
    'b\t',
    ...['\x01', '\x7f', '\xe9'].map(c => 'v'.repeat(200) + c),
  ])
    t.same(asked(['a', value]), both('the value of a'), JSON.stringify(value))
  t.equal(sent(['a', 'b\u0100']), 'the value of a')
  for (const name of ['a"', 'a(b)', 'a/b', 'a=b', 'A', 'a b', '', 'a\x80', 'a:b'])
    t.same(asked([name, 'v']), both('the name of a field'), JSON.stringify(name))
  t.equal(sent([':x', 'b']), 'a pseudo-header field')
  t.equal(sent(['connection', 'close']), 'the value of connection')
  t.equal(sent([':status', '99']), 'the value of :status')
})

t.test('what we would send: paths, authorities and methods', async t => {
  const path = (value: string, method = 'GET') =>
    unsendable(
      fields([
        [':method', method],
        [':scheme', 'http'],
        [':path', value],
        [':authority', 'x'],
      ]),
    )
  for (const value of ['/', '/a/b', '/a%20b?c=`|^{}"', '/a#b', '/a?b?c', '/{a}|b"'])
    t.equal(path(value), undefined, value)
  for (const value of [
    'a/b',
    '?a',
    '/a b',
    '/a\x80',
    '/a\x7f',
    '/<a>',
    '/`a',
    '/a?<',
    '/a?\xe9',
    'http://x/a',
    '*a',
    '/%',
    '/%2',
    '/%g0',
    '/a?%',
  ])
    t.equal(path(value), 'the value of :path', value)
  t.equal(path('*'), 'the value of :path')
  t.equal(path('*', 'OPTIONS'), undefined)
  t.equal(path('/', 'GE T'), 'the value of :method')
  const authority = (value: string) =>
    unsendable(
      fields([
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', '/'],
        [':authority', value],
      ]),
    )
  for (const value of ['x', 'a.b:80', 'A-b_c', '127.0.0.1:1', '[::1]:80', '[::1]', "a!$&'()*+,;=~"])
    t.equal(authority(value), undefined, value)
  for (const value of [
    '',
    'a@b',
    'a%20',
    'a/b',
    'a b',
    'a\xe9',
    'a:b:c',
    '[::1',
    '::1]',
    'a[::1]',
    '[::1]x',
    '[[]]',
    'a"',
  ])
    t.equal(authority(value), 'the value of :authority', value)
})

t.test('what we would send: authority and host', async t => {
  const sent = (...pairs: Pair[]) => unsendable(fields([...GOOD.slice(0, 3), ...pairs]))
  t.equal(sent(), 'neither :authority nor host')
  t.equal(sent(['host', 'x']), undefined)
  t.equal(sent([':authority', 'x'], ['host', 'x']), undefined)
  t.equal(sent([':authority', 'x'], ['host', 'X:80']), undefined, 'compared in routing')
  t.equal(sent(['host', 'x'], ['host', 'y']), 'host, twice')
})

t.test('values that may not stand as they came', async t => {
  const secret = new HeaderField(nameOf('x-b'), '\tw ', Mode.NEVER)
  const whole = mended([
    ...fields([
      ['x-a', ' v \t'],
      ['x-c', 'as it is'],
      ['x-blank', ' \t '],
    ]),
    secret,
  ])
  t.same(
    whole.map(({ name, value, mode }) => [name, value, mode]),
    [
      ['x-a', 'v', Mode.INDEXED],
      ['x-c', 'as it is', Mode.INDEXED],
      ['x-blank', '', Mode.INDEXED],
      ['x-b', 'w', Mode.NEVER],
    ],
  )
  t.equal(whole[0], fieldOf('x-a', 'v'), 'an interned field stays one')
  t.equal(checkTrailers(whole), undefined)
  for (const [came, told] of [
    ['missing field: ', 'missing field:%20'],
    ['\ttab', '%09tab'],
    [' ', '%20'],
    ['caf\xc3\xa9 %25', 'caf%C3%A9 %25'],
    ['a\x01b\x7f', 'a%01b%7F'],
    ['plain text', 'plain text'],
    ['', ''],
  ] as const)
    t.equal(mendedValue('grpc-message', came), told)
  t.equal(mendedValue(':path', '/a '), '/a ')
})

t.test('what we would send: -bin', async t => {
  const sent = (value: string) =>
    unsendable(
      fields([
        [':status', '200'],
        ['x-bin', value],
      ]),
    )
  for (const value of ['', 'YQ', 'YQ==', 'AAEC/+8', 'AAEC,BAUG', 'YQ==,YQ', ',']) t.equal(sent(value), undefined, value)
  for (const value of ['Y', '!!!', 'YQ=Q', 'YQ, YQ', 'YQ-_', 'YQYQY', 'Y,YQ', '=Y', '\xff'])
    t.equal(sent(value), 'the value of x-bin', value)
})

t.test('what we would send: no tunnel', async t => {
  t.equal(
    unsendable(
      fields([
        [':method', 'CONNECT'],
        [':authority', 'x:1'],
      ]),
    ),
    'a tunnel (CONNECT)',
  )
})
