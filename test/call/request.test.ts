import t from 'tap'
import { CallRequest } from '../../src/call/request.ts'
import { CALL_BYTES, CallMemory } from '../../src/transport/call-memory.ts'
import { FakeStream } from '../support/fake-transport.ts'
import { request as fields } from './rig.ts'

const ADDRESS = { name: 'http://192.0.2.1:50051' }

/** A request whose headers came, and what is counted for it. */
function began({ ended = false, limitBytes = 1e6 } = {}) {
  const memory = new CallMemory(limitBytes)
  const holder = { heldBytes: 0 }
  const made = new CallRequest(memory, holder)
  const inMemory = made.begin(fields(), ended)
  return { made, memory, holder, inMemory }
}

const hold = (made: CallRequest, text: string) => made.hold(Buffer.from(text), 0, text.length)
const keep = (made: CallRequest, text: string, maxBytes = 1_000) =>
  made.keep(Buffer.from(text), 0, text.length, maxBytes)

/** What goes out on a stream. */
function sent(made: CallRequest) {
  const stream = new FakeStream()
  const writable = made.sendTo(stream, ADDRESS, undefined)
  const [headers, ...data] = stream.sent
  if (headers?.kind !== 'headers') throw new Error('no headers')
  return { headers, data, body: stream.body, writable }
}

t.test('nothing came but headers: they are sent', async t => {
  const { headers, data, writable } = sent(began().made)
  t.equal(headers.endStream, false)
  t.same([data, writable], [[], true])
})

t.test('what came, in the same pieces, and not ended', async t => {
  const { made } = began()
  for (const text of ['one', '', 'two']) hold(made, text)
  t.equal(made.bytes, 6)
  t.same(sent(made).data, [
    { kind: 'data', bytes: 'one', endStream: false },
    { kind: 'data', bytes: 'two', endStream: false },
  ])
})

t.test('the end goes with the last piece, and only there', async t => {
  const { made } = began()
  hold(made, 'one')
  hold(made, 'two')
  made.ended = true
  const { headers, data } = sent(made)
  t.same(
    [headers, ...data].map(item => 'endStream' in item && item.endStream),
    [false, false, true],
  )
})

t.test('ended without data: headers alone', async t => {
  const { made } = began({ ended: true })
  const { headers, data, writable } = sent(made)
  t.same([headers.endStream, data, writable], [true, [], true])
})

t.test('the range is copied: it is only lent', async t => {
  for (const text of ['hello', 'x'.repeat(300)]) {
    const { made } = began()
    const lent = Buffer.from(`..${text}..`)
    made.hold(lent, 2, 2 + text.length)
    lent.fill(0)
    t.equal(sent(made).body, text)
  }
})

t.test('it can be sent more than once', async t => {
  const { made } = began()
  hold(made, 'again')
  for (const _ of [1, 2]) t.equal(sent(made).body, 'again')
})

t.test('tells whether the stream took it all', async t => {
  for (const pieces of [['one'], ['one', 'two']]) {
    const { made } = began()
    for (const piece of pieces) hold(made, piece)
    const stream = new FakeStream()
    stream.writable = false
    t.equal(made.sendTo(stream, ADDRESS, undefined), false)
  }
})

t.test('sent as the routing wants it', async t => {
  const { made } = began()
  made.authority = 'inner'
  made.added = [{ name: 'x-added', value: '1', neverIndexed: false }]
  const stream = new FakeStream()
  made.sendTo(stream, { ...ADDRESS, tls: { serverName: 'a' } }, '5m')
  const [headers] = stream.sent
  const value = (name: string) => headers?.kind === 'headers' && headers.block.find(field => field.name === name)?.value
  t.same([':scheme', ':authority', 'x-added'].map(value), ['https', 'inner', '1'])
})

t.test('what waits for a backend is told once', async t => {
  const { made } = began()
  hold(made, 'one')
  made.wait(4)
  t.same([made.taken(), made.taken()], [7, 0])
})

t.test('kept up to the bound; one byte more commits the call', async t => {
  const { made } = began()
  keep(made, '12345', 10)
  keep(made, '67890', 10)
  t.same([made.kept, made.bytes], [true, 10])
  keep(made, '1', 10)
  t.same([made.kept, made.bytes], [false, 0])
})

t.test('memory: for the call, its headers and what is kept; given back when committed, and at the end', async t => {
  const { made, memory, holder, inMemory } = began()
  const head = CALL_BYTES + made.head.listBytes
  t.same([inMemory, memory.heldBytes], [true, head])
  hold(made, 'one')
  keep(made, 'two')
  made.charge(50)
  t.equal(memory.heldBytes, head + 6 + 50)
  made.commit()
  t.equal(memory.heldBytes, head + 50)
  made.end()
  t.same([memory.heldBytes, holder.heldBytes], [0, 0])
})

t.test('memory: without room the call does not begin, and nothing was counted for it', async t => {
  const { made, memory, inMemory } = began({ limitBytes: CALL_BYTES })
  t.same([inMemory, memory.heldBytes], [false, 0])
  t.equal(made.head.path, '/pkg.Service/Method', 'what it was is known all the same')
  made.end()
  t.equal(memory.heldBytes, 0)
})

t.test('memory: without room nothing more is kept of what goes on anyway', async t => {
  const { made, memory } = began({ limitBytes: 2 * (CALL_BYTES + 500) })
  keep(made, 'one')
  keep(made, 'x'.repeat(1_000), 10_000)
  t.equal(made.kept, false)
  made.end()
  t.equal(memory.heldBytes, 0)
})
