/** Malformed messages: each rule with its token, and what is well formed. */
import t from 'tap'
import { HeaderField, Mode } from '../../src/wire/hpack/header-field.ts'
import { fieldOf, nameOf } from '../../src/wire/hpack/interning.ts'
import {
  checkField,
  checkRequest,
  checkResponse,
  checkTrailers,
  contentLengthOf,
  statusOf,
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
  for (const value of ['a\0b', 'a\rb', 'a\nb', ' a', 'a ', '\ta', 'a\t', ' '])
    t.equal(request(['x-a', value]), 'field-value', JSON.stringify(value))
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
  t.equal(checkField({ name: 'a', value: 'b', neverIndexed: false }), undefined)
  t.equal(checkField({ name: ':path', value: '/', neverIndexed: false }), undefined)
  t.equal(checkField({ name: 'a', value: 'b\n', neverIndexed: false }), 'field-value')
  t.equal(checkField({ name: ':x', value: 'b', neverIndexed: false }), 'pseudo-header-unknown')
})
