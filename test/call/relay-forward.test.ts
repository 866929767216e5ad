import t from 'tap'
import { addedFields } from '../../src/call/added-fields.ts'
import { block } from '../support/fake-transport.ts'
import { CallRig, CLEAN, NOTHING_LEFT, ownAnswer, PATH, RESPONSE, request, resetByPeer, TRAILERS } from './rig.ts'

t.test('a call goes through, and is told of once', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  const { up } = rig
  t.same(up.sent, [{ kind: 'headers', block: request(), endStream: false }])
  down.data('\0\0\0\0\x02hi')
  down.data('', true)
  t.equal(up.body, '\0\0\0\0\x02hi')
  t.ok(up.endSent)
  rig.clock.advance(12)
  up.headers(RESPONSE)
  up.data('\0\0\0\0\x05hello')
  up.trailers(TRAILERS)
  t.same(down.sent, [
    { kind: 'headers', block: RESPONSE, endStream: false },
    { kind: 'data', bytes: '\0\0\0\0\x05hello', endStream: false },
    { kind: 'trailers', block: TRAILERS },
  ])
  up.settle()
  t.same([rig.records, rig.over], [[], 0], 'not over before the client has it')
  down.settle()
  t.match(rig.record, {
    durationMs: 12,
    peer: '192.0.2.9:1234',
    authority: 'api.example.com',
    path: PATH,
    backend: 'main',
    endpoint: 'http://192.0.2.1:50051',
    status: 0,
    endedBy: 'backend',
    reason: '',
    request: { bytes: 7, messages: 1 },
    response: { bytes: 10, messages: 1 },
    retries: 0,
  })
  t.equal(rig.over, 1)
  t.same(rig.left, NOTHING_LEFT)
  t.same([...down.misuse, ...up.misuse], [])
})

t.test('blocks travel as the objects that they are', async t => {
  const rig = new CallRig()
  const fields = request({ 'x-a': '1' })
  const { down } = rig.open(fields, true)
  rig.up.headers(RESPONSE)
  rig.up.trailers(TRAILERS)
  t.equal(rig.up.sent[0]!.kind === 'headers' && rig.up.sent[0]!.block, fields)
  t.equal(down.sent[0]!.kind === 'headers' && down.sent[0]!.block, RESPONSE)
  t.equal(down.sent[1]!.kind === 'trailers' && down.sent[1]!.block, TRAILERS)
})

t.test('a request without a body ends with its headers', async t => {
  const rig = new CallRig()
  rig.open(request(), true)
  t.same(rig.up.kinds, ['headers'])
  t.ok(rig.up.endSent)
})

t.test('Trailers-Only stays one block', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  const only = block({ ':status': '200', 'grpc-status': '5' })
  rig.up.headers(only, true)
  t.same(down.sent, [{ kind: 'headers', block: only, endStream: true }])
  rig.up.settle()
  down.settle()
  t.match(rig.record, { status: 5, endedBy: 'backend', reason: '' })
})

t.test('a response that ends without trailers ends so', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.up.headers(RESPONSE)
  rig.up.data('half', true)
  t.same(down.sent.at(-1), { kind: 'data', bytes: 'half', endStream: true })
  rig.up.settle()
  down.settle()
  t.match(rig.record, { status: -1, endedBy: 'backend' })
})

t.test('a response without grpc-status is recorded as one without', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.up.headers(block({ ':status': '503' }), true)
  down.settle()
  t.equal(rig.record.status, -1)
})

t.test('trailers of a request end it, and are counted', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  down.data('x')
  down.trailers(block({ 'x-checksum': '1' }))
  t.same(rig.up.sent.at(-1), { kind: 'data', bytes: '', endStream: true })
  t.same(rig.oddities, ['request-trailers'])
})

t.test('what the director and the options add and replace', async t => {
  const rig = new CallRig({
    director: () => ({ backend: 'main', authority: 'inner', metadata: { 'X-Tenant': ['a', 'b'] } }),
    addedFields: addedFields({ xForwardedFor: true, forwarded: true, via: true }),
  })
  rig.open(request({ 'x-tenant': 'forged', 'x-forwarded-for': '203.0.113.1' }), true)
  const [first] = rig.up.sent
  t.same(first?.kind === 'headers' && first.block.map(field => `${field.name}: ${field.value}`), [
    ':method: POST',
    ':scheme: http',
    `:path: ${PATH}`,
    ':authority: inner',
    'content-type: application/grpc',
    'te: trailers',
    'x-tenant: a',
    'x-tenant: b',
    'x-forwarded-for: 203.0.113.1, 192.0.2.9',
    'forwarded: for=192.0.2.9;host="api.example.com";proto=http',
    'via: 2 grpc-verbatim',
  ])
})

t.test('a request is released as the backend takes it', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  down.data('12345')
  t.equal(down.released, 5)
  rig.up.writable = false
  down.data('678')
  down.data('9')
  t.equal(down.released, 5)
  t.equal(rig.up.body, '123456789', 'what the stream took it has')
  rig.up.drained()
  t.equal(down.released, 9)
  down.data('0')
  t.equal(down.released, 10)
})

t.test('a response is released as the client takes it', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.up.headers(RESPONSE)
  rig.up.data('12345')
  t.equal(rig.up.released, 5)
  down.writable = false
  rig.up.data('678')
  t.equal(rig.up.released, 5)
  down.drained()
  t.equal(rig.up.released, 8)
  down.writable = false
  rig.up.data('9')
  rig.up.trailers(TRAILERS)
  down.drained()
  t.equal(rig.up.released, 9, 'also after the trailers')
})

t.test('while a call waits for a session nothing is released; then what went out is', async t => {
  const rig = new CallRig({ cold: true, replayBytes: 4 })
  const { down } = rig.open()
  down.data('hello ')
  down.data('world')
  t.equal(down.released, 0)
  rig.session.ready()
  t.equal(rig.up.body, 'hello world')
  t.equal(down.released, 11)
  down.data('!', true)
  t.equal(rig.up.body, 'hello world!')
  t.equal(down.released, 12)
})

t.test('… and only once the backend takes it', async t => {
  const rig = new CallRig({ cold: true })
  rig.session.writable = false
  const { down } = rig.open()
  down.data('hello')
  rig.session.ready()
  t.same([rig.up.body, down.released], ['hello', 0])
  rig.up.drained()
  t.equal(down.released, 5)
})

t.test('the whole request came while it waited: the same frames go out, ended once', async t => {
  for (const ending of ['data', 'empty data', 'trailers', 'headers'] as const) {
    const rig = new CallRig({ cold: true })
    const { down } = rig.open(request(), ending === 'headers')
    if (ending !== 'headers') down.data('a')
    if (ending === 'data') down.data('b', true)
    if (ending === 'empty data') down.data('', true)
    if (ending === 'trailers') down.trailers(block({ x: '1' }))
    rig.session.ready()
    t.ok(rig.up.endSent, ending)
    t.same(rig.up.misuse, [])
    t.equal(rig.up.body, { data: 'ab', 'empty data': 'a', trailers: 'a', headers: '' }[ending])
    t.equal(down.released, down.received)
  }
})

t.test('an early response, then RST_STREAM(NO_ERROR): the client gets all of it, then the reset', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  down.data('first')
  rig.up.headers(RESPONSE)
  rig.up.trailers(TRAILERS)
  down.data('second')
  t.equal(down.released, down.received)
  rig.up.close(resetByPeer(0))
  t.same(down.kinds, ['headers', 'trailers', 'reset'])
  t.equal(down.resetWith, 0)
  down.settle()
  t.match(rig.record, { status: 0, endedBy: 'backend', reason: '' })
  t.same(rig.left, NOTHING_LEFT)
})

t.test('an early response, and the backend goes on reading: the request is still its own', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  rig.up.headers(RESPONSE)
  rig.up.trailers(TRAILERS)
  down.data('the rest', true)
  down.settle()
  t.equal(rig.up.body, 'the rest')
  t.ok(rig.up.endSent)
  rig.up.settle()
  t.same(rig.left, NOTHING_LEFT)
  t.equal(rig.records.length, 1)
})

t.test('nobody listens for records: none is made, and the rest is the same', async t => {
  const rig = new CallRig({ silent: true })
  const { down } = rig.open()
  down.data('x', true)
  rig.up.headers(RESPONSE)
  rig.up.data('y')
  rig.up.trailers(TRAILERS)
  rig.up.close(CLEAN)
  down.settle()
  t.same([rig.over, rig.left], [1, NOTHING_LEFT])
  t.equal(ownAnswer(down), undefined)
})

t.test('the client has it all, and the backend does not take the rest: reset after a while', async t => {
  const rig = new CallRig()
  const { down } = rig.open()
  rig.up.headers(RESPONSE)
  rig.up.trailers(TRAILERS)
  rig.up.writable = false
  down.data('the rest', true)
  down.settle()
  t.equal(rig.records.length, 1, 'the call is over for the client')
  rig.clock.advance(4_990)
  t.equal(rig.up.resetWith, undefined)
  rig.clock.advance(20)
  t.equal(rig.up.resetWith, 8)
  rig.up.settle()
  t.same(rig.left, NOTHING_LEFT)
})

t.test('an empty grpc-status is recorded as anything but OK', async t => {
  const rig = new CallRig()
  const { down } = rig.open(request(), true)
  rig.up.headers(block({ ':status': '200', 'grpc-status': '' }), true)
  down.settle()
  t.not(rig.record.status, 0)
})
