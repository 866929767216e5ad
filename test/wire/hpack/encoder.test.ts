/** The encoder: representations, insertion, size updates, room. */
import t from 'tap'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { HpackEncoder, maxEncodedBytes } from '../../../src/wire/hpack/encoder.ts'
import type { HeaderFieldLike } from '../../../src/wire/hpack/header-field.ts'
import { encodeHuffman, huffmanLength } from '../../../src/wire/hpack/huffman.ts'
import { fieldOf, fieldOnce, nameOf } from '../../../src/wire/hpack/interning.ts'
import { type Field, HpackDecoder as OtherDecoder, HpackEncoder as OtherEncoder } from '../../support/hpack.ts'
import { decode, encode, hex, modes, modesOf, pairs } from './support.ts'

t.test('each representation goes out as it came', async t => {
  const list: Field[] = [
    [':method', 'POST', 'indexed'],
    [':method', 'POST', 'literal'],
    [':method', 'POST', 'never'],
    ['te', 'trailers', 'incremental'],
    ['te', 'trailers', 'literal'],
    ['te', 'trailers', 'never'],
    ['te', 'trailers', 'indexed'],
  ]
  const [sender, decoder, encoder, receiver] = [
    new OtherEncoder(),
    new HpackDecoder(),
    new HpackEncoder(),
    new OtherDecoder(),
  ]
  for (let i = 0; i < 4; i++) {
    const fields = decode(decoder, sender.encode(list))
    t.same(modes(fields), modesOf(list))
    const arrived = receiver.decode(encode(encoder, fields))
    const expected = list.map(([, , how]) => (how === 'incremental' && i > 0 ? 'indexed' : how))
    t.same(
      arrived.map(field => field.representation),
      expected,
    )
    t.same(pairs(arrived), pairs(fields))
  }
})

t.test('objects that are no HeaderField', async t => {
  const [encoder, receiver] = [new HpackEncoder(), new OtherDecoder()]
  const block: HeaderFieldLike[] = [
    { name: ':status', value: '200', neverIndexed: false },
    { name: 'x-tenant', value: 'blue', neverIndexed: false },
    { name: 'authorization', value: 'Basic x', neverIndexed: true },
    { name: 'grpc-timeout', value: '98m', neverIndexed: false },
    fieldOf('x-tenant', 'blue'),
  ]
  const kinds = () => receiver.decode(encode(encoder, block)).map(field => field.representation)
  t.same(kinds(), ['indexed', 'incremental', 'never', 'literal', 'indexed'])
  t.same(kinds(), ['indexed', 'indexed', 'never', 'literal', 'indexed'])
})

t.test('fields behind a list that is known: it stays known, and they leave nothing in the table', async t => {
  const [encoder, receiver] = [new HpackEncoder(), new OtherDecoder()]
  const list = [fieldOf(':method', 'POST'), fieldOf('x-tenant', 'red')]
  const name = nameOf('traceparent')
  for (let i = 0; i < 4; i++) {
    if (i === 2) encoder.setLimit(1_000)
    const more = [
      fieldOnce(name, `00-${'4b'.repeat(16)}-${'0f'.repeat(8)}-0${i}`),
      { name: 'b3', value: '0', neverIndexed: true },
    ]
    const into = Buffer.alloc(maxEncodedBytes(list) + maxEncodedBytes(more))
    const end = encoder.goOn(more, into, encoder.encode(list, into, 0))
    const arrived = receiver.decode(into.subarray(0, end))
    t.same(pairs(arrived), pairs([...list, ...more]))
    t.same(
      arrived.slice(2).map(field => field.representation),
      ['literal', 'never'],
    )
    // With another size of the table a list is encoded anew, once.
    t.equal(encoder.find(list) !== undefined, i % 2 === 1)
  }
  t.equal(encoder.table.count, 1)
})

t.test('a character that is not latin1 is refused before anything is encoded', async t => {
  const encoder = new HpackEncoder()
  const bad = (name: string, value: string, neverIndexed = false) => [
    { name: 'x-first', value: 'y', neverIndexed: false },
    { name, value, neverIndexed },
  ]
  for (let i = 0; i < 2; i++) {
    t.throws(() => encode(encoder, bad('x-a', 'caf\u{e9} \u{20ac}')), RangeError)
    t.throws(() => encode(encoder, bad('x-\u{100}', '')), RangeError)
    t.throws(() => encode(encoder, bad('x-a', '\u{10a}', true)), RangeError)
  }
  t.equal(encoder.table.count, 0)
  t.ok(encode(encoder, bad('x-a', '\u{e9}')))
})

t.test('octets 0 to 255 survive', async t => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
  for (const how of ['literal', 'never', 'incremental'] as const) {
    const [sender, decoder, encoder, receiver] = [
      new OtherEncoder(),
      new HpackDecoder(),
      new HpackEncoder(),
      new OtherDecoder(),
    ]
    for (let i = 0; i < 4; i++) {
      const fields = decode(decoder, sender.encode([['x-all-bin', all, how]]))
      t.equal(receiver.decode(encode(encoder, fields))[0]?.value, all, how)
    }
  }
})

t.test('names: static, of the dynamic table, in full', async t => {
  const encoder = new HpackEncoder()
  const first = encode(encoder, [fieldOf('x-name', 'a')])
  const second = encode(encoder, [fieldOf('x-name', 'b')])
  t.equal(first[0], 0x40)
  t.equal(second[0], 0x40 | 62, 'the entry of the first')
  encode(encoder, [fieldOf('x-other', 'c')])
  t.equal(encode(encoder, [fieldOf('x-name', 'd')])[0], 0x40 | 63)
})

t.test('table sizes (§4.2)', async t => {
  const start = (encoder: HpackEncoder) => encode(encoder, [fieldOf(':method', 'GET')]).toString('hex')
  const encoder = new HpackEncoder()
  t.equal(start(encoder), '82', 'the default needs no words')
  encoder.setLimit(65_536)
  t.equal(start(encoder), '82', 'we use 4,096 at most')
  encoder.setLimit(100)
  t.equal(start(encoder), '3f4582')
  t.equal(start(encoder), '82', 'once')
  encoder.setLimit(4096)
  encoder.setLimit(0)
  encoder.setLimit(300)
  encoder.setLimit(200)
  t.equal(start(encoder), '203fa90182', 'the smallest, then the final')
  encoder.setLimit(0)
  encoder.setLimit(200)
  t.equal(start(encoder), '203fa90182', 'the same size again: its entries are gone in between')
  encoder.setLimit(4096)
  encoder.setLimit(200)
  t.equal(start(encoder), '82', 'grown and shrunk between two blocks: nothing happened')
  encoder.setLimit(150)
  encoder.setLimit(100)
  t.equal(start(encoder), '3f4582', 'the smallest is the final')

  t.equal(start(new HpackEncoder(0)), '2082', 'a table of our own choice')
  t.equal(start(new HpackEncoder(65_536)), '82', 'no more than the peer said')
  const more = new HpackEncoder(65_536)
  more.setLimit(10_000)
  t.equal(start(more), '3ff14d82')
})

t.test('a lowered limit evicts: no index survives it', async t => {
  const [encoder, decoder] = [new HpackEncoder(), new HpackDecoder()]
  const block = [fieldOf('x-a', '1'), fieldOf('x-b', '2'), fieldOf('x-c', '3')]
  for (let i = 0; i < 3; i++) decode(decoder, encode(encoder, block))
  t.equal(encode(encoder, block).length, 3)
  for (const limit of [150, 4096, 0, 4096]) {
    encoder.setLimit(limit)
    decoder.setLimit(limit)
    for (let i = 0; i < 3; i++) {
      t.same(pairs(decode(decoder, encode(encoder, block))), pairs(block), `limit ${limit}, block ${i}`)
      t.equal(encoder.table.size, decoder.table.size)
    }
  }
})

t.test('a field over a quarter of the table is not inserted', async t => {
  const [encoder, receiver] = [new HpackEncoder(), new OtherDecoder()]
  const sized = (size: number) => fieldOf('x-token', 'v'.repeat(size - 32 - 'x-token'.length))
  const kind = (size: number) => receiver.decode(encode(encoder, [sized(size)]))[0]?.representation
  t.equal(kind(1024), 'incremental')
  t.equal(kind(1025), 'literal')
  t.equal(kind(1025), 'literal')
  t.equal(kind(1024), 'indexed', 'and pushes nothing out')
  encoder.setLimit(0)
  t.equal(kind(40), 'literal', 'nothing fits in no table')
})

t.test('a hundred clients, each with a token of its own, leave the common fields in the table', async t => {
  const encoder = new HpackEncoder()
  const common = [fieldOf(':path', '/a.B/C'), fieldOf('content-type', 'application/grpc')]
  encode(encoder, common)
  for (let i = 0; i < 100; i++) {
    const block = encode(encoder, [...common, fieldOf('authorization', `Bearer ${i}${'t'.repeat(1100)}`)])
    t.same([...block.subarray(0, 2)], [0xbf, 0xbe])
  }
})

t.test('a cached literal is true for every table', async t => {
  // The same objects in turn over sessions whose tables have their names at different places, or not.
  const decoder = new HpackDecoder()
  const list: Field[] = [
    ['x-cached', 'literal value', 'literal'],
    ['x-cached', 'secret value', 'never'],
    ['x-cached', 'w'.repeat(600), 'literal'],
  ]
  const fields = [1, 2, 3].map(() => decode(decoder, new OtherEncoder().encode(list))).at(-1)!
  for (let before = 0; before < 6; before++) {
    const [encoder, receiver] = [new HpackEncoder(), new OtherDecoder()]
    const first = Array.from({ length: before }, (_, i) => fieldOf(i === 1 ? 'x-cached' : `x-${i}`, 'v'))
    receiver.decode(encode(encoder, first))
    for (let i = 0; i < 3; i++) {
      t.same(pairs(receiver.decode(encode(encoder, fields))), pairs(fields), `${before} before, block ${i}`)
      receiver.decode(encode(encoder, [fieldOf(`x-more-${i}`, 'v')]))
    }
    encoder.setLimit(0)
    t.same(pairs(receiver.decode(encode(encoder, fields))), pairs(fields), `${before} before, no table`)
  }
})

t.test('the room promised suffices', async t => {
  const decoder = new HpackDecoder({ maxListBytes: 2 ** 30 })
  // A length with a needless octet.
  const needless = Buffer.concat([hex('0001 61 7f 8081 00'), Buffer.alloc(255, 0x62)])
  for (let i = 0; i < 4; i++) {
    const fields = decode(decoder, needless)
    encode(new HpackEncoder(), fields)
    t.equal(fields[0]?.value, 'b'.repeat(255))
  }
  t.equal(maxEncodedBytes([]), 12, 'two size updates')
  t.equal(encode(new HpackEncoder(), []).length, 0)
})

t.test('values whose Huffman code is longer come in, and go out plain', async t => {
  const text = '\x00\x01\xff'.repeat(60)
  const octets = Buffer.from(text, 'latin1')
  const coded = Buffer.alloc(huffmanLength(octets, octets.length))
  encodeHuffman(octets, octets.length, coded, 0)
  t.ok(coded.length > 2 * text.length)
  const length = Buffer.from([0xff, ((coded.length - 127) & 0x7f) | 0x80, (coded.length - 127) >> 7])
  const block = Buffer.concat([hex('0001 61'), length, coded])
  const [decoder, encoder, receiver] = [new HpackDecoder(), new HpackEncoder(), new OtherDecoder()]
  for (let i = 0; i < 4; i++) {
    const fields = decode(decoder, block)
    t.equal(fields[0]?.value, text)
    const out = encode(encoder, fields)
    t.equal(out.length, 1 + 2 + 3 + text.length - 1)
    t.equal(receiver.decode(out)[0]?.value, text)
  }
})
