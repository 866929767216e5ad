import fc from 'fast-check'
import t from 'tap'
import { MessageCounter } from '../../src/grpc/message.ts'

function framed(payload: Uint8Array, compressed = 0): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt8(compressed)
  prefix.writeUInt32BE(payload.length, 1)
  return Buffer.concat([prefix, payload])
}

function countsOf(...pieces: Buffer[]): { bytes: number; messages: number } {
  const counter = new MessageCounter()
  for (const piece of pieces) counter.push(piece, 0, piece.length)
  return { bytes: counter.bytes, messages: counter.messages }
}

t.test('nothing came', async t => {
  t.same(countsOf(), { bytes: 0, messages: 0 })
  t.same(countsOf(Buffer.alloc(0)), { bytes: 0, messages: 0 })
})

t.test('a message counts once its prefix is whole', async t => {
  const message = framed(Buffer.from('hello'))
  t.same(countsOf(message.subarray(0, 4)), { bytes: 4, messages: 0 })
  t.same(countsOf(message.subarray(0, 5)), { bytes: 5, messages: 1 })
  t.same(countsOf(message), { bytes: 10, messages: 1 })
})

t.test('empty messages', async t => {
  t.same(countsOf(framed(Buffer.alloc(0)), framed(Buffer.alloc(0)), framed(Buffer.alloc(0))), {
    bytes: 15,
    messages: 3,
  })
})

t.test('the compressed flag is no part of the length', async t => {
  const one = framed(Buffer.from('abc'), 1)
  const odd = framed(Buffer.from('abc'), 0xff)
  t.same(countsOf(Buffer.concat([one, odd])), { bytes: 16, messages: 2 })
})

t.test('all four bytes of the length count', async t => {
  for (const length of [1, 0x102, 0x10203]) {
    const message = framed(Buffer.alloc(length, 0xff))
    t.same(countsOf(Buffer.concat([message, message, message.subarray(0, 4)])).messages, 2, `${length} bytes`)
  }
})

t.test('the longest length there is stays one message, whatever follows', async t => {
  const counter = new MessageCounter()
  const head = Buffer.from([0, 0xff, 0xff, 0xff, 0xff])
  counter.push(head, 0, 5)
  const zeros = Buffer.alloc(1 << 20)
  for (let i = 0; i < 4095; i++) counter.push(zeros, 0, zeros.length)
  // 2^32 − 1 bytes belong to it; after 4095 MiB there are 2^20 − 1 to come.
  counter.push(zeros, 0, zeros.length - 1)
  t.equal(counter.messages, 1)
  counter.push(head, 0, 5)
  t.equal(counter.messages, 2)
  t.equal(counter.bytes, 5 + 2 ** 32 - 1 + 5)
})

t.test('only the given range is looked at', async t => {
  const counter = new MessageCounter()
  const around = Buffer.concat([
    Buffer.alloc(9, 0xff),
    framed(Buffer.from('hi')),
    framed(Buffer.alloc(0)),
    Buffer.alloc(9),
  ])
  counter.push(around, 9, around.length - 9)
  t.same([counter.bytes, counter.messages], [12, 2])
})

t.test('any split of a stream gives the same counts', async () => {
  const streams = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })
  fc.assert(
    fc.property(streams, fc.array(fc.nat(), { maxLength: 20 }), fc.nat({ max: 4 }), (payloads, cuts, rest) => {
      // `rest`: a prefix that is not whole yet.
      const stream = Buffer.concat([...payloads.map(payload => framed(payload)), Buffer.alloc(rest)])
      const at = cuts.map(cut => cut % (stream.length + 1)).sort((a, b) => a - b)
      const pieces = [0, ...at].map((start, i) => stream.subarray(start, at[i] ?? stream.length))
      const { bytes, messages } = countsOf(...pieces)
      return bytes === stream.length && messages === payloads.length
    }),
  )
})

t.test('byte by byte', async t => {
  const stream = Buffer.concat([framed(Buffer.from('hello')), framed(Buffer.alloc(0)), framed(Buffer.alloc(300, 1))])
  t.same(countsOf(...Array.from(stream, byte => Buffer.from([byte]))), { bytes: stream.length, messages: 3 })
})

t.test('whether it is within a message', async t => {
  const message = framed(Buffer.from('hello'))
  for (let bytes = 0; bytes <= message.length; bytes++) {
    const counter = new MessageCounter()
    counter.push(message, 0, bytes)
    t.equal(counter.within, bytes > 0 && bytes < message.length, `after ${bytes} bytes`)
  }
})
