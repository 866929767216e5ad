import t from 'tap'
import { Replay } from '../../src/call/replay.ts'
import { block, FakeStream } from '../support/fake-transport.ts'

function streamOpen(): FakeStream {
  const stream = new FakeStream()
  stream.sendHeaders(block({}), false)
  stream.sent.length = 0
  return stream
}

const push = (replay: Replay, text: string) => replay.push(Buffer.from(text), 0, text.length)

t.test('nothing came yet: nothing is sent', async t => {
  const replay = new Replay()
  const stream = streamOpen()
  t.equal(replay.headersOnly, false)
  t.equal(replay.sendTo(stream), true)
  t.same(stream.sent, [])
})

t.test('what came, in the same pieces, and not ended', async t => {
  const replay = new Replay()
  push(replay, 'one')
  push(replay, '')
  push(replay, 'two')
  t.equal(replay.bytes, 6)
  const stream = streamOpen()
  replay.sendTo(stream)
  t.same(stream.sent, [
    { kind: 'data', bytes: 'one', endStream: false },
    { kind: 'data', bytes: 'two', endStream: false },
  ])
})

t.test('the end goes with the last piece, and only there', async t => {
  const replay = new Replay()
  push(replay, 'one')
  push(replay, 'two')
  replay.ended = true
  const stream = streamOpen()
  replay.sendTo(stream)
  t.same(
    stream.sent.map(item => 'endStream' in item && item.endStream),
    [false, true],
  )
})

t.test('ended without data: headers alone, or an empty DATA frame if it comes to that', async t => {
  const replay = new Replay()
  replay.ended = true
  t.equal(replay.headersOnly, true)
  const stream = streamOpen()
  t.equal(replay.sendTo(stream), true)
  t.same(stream.sent, [{ kind: 'data', bytes: '', endStream: true }])
})

t.test('the range is copied: it is only lent', async t => {
  const replay = new Replay()
  const lent = Buffer.from('..hello..')
  replay.push(lent, 2, 7)
  lent.fill(0)
  const stream = streamOpen()
  replay.sendTo(stream)
  t.equal(stream.body, 'hello')
})

t.test('it can be sent more than once', async t => {
  const replay = new Replay()
  push(replay, 'again')
  for (const stream of [streamOpen(), streamOpen()]) {
    replay.sendTo(stream)
    t.equal(stream.body, 'again')
  }
})

t.test('tells whether the stream took it all', async t => {
  const replay = new Replay()
  push(replay, 'one')
  const stream = streamOpen()
  stream.writable = false
  t.equal(replay.sendTo(stream), false)
})
