/** Limits: over one the list says so, and the table stays in step. */
import t from 'tap'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { type Field, HpackEncoder as OtherEncoder } from '../../support/hpack.ts'
import { decode, hex, pairs, plain, tokenOf } from './support.ts'

t.test('the size of a list', async t => {
  const encoder = new OtherEncoder()
  const block = encoder.encode([
    ['a', 'b', 'literal'],
    ['cd', '', 'literal'],
  ])
  const exact = new HpackDecoder({ maxListBytes: 68 })
  t.equal(decode(exact, block).length, 2)
  t.equal(exact.listBytes, 68)
  t.notOk(exact.tooLarge)

  const less = new HpackDecoder({ maxListBytes: 67 })
  t.same(pairs(decode(less, block)), [['a', 'b']])
  t.ok(less.tooLarge)
  t.equal(less.listBytes, 68)
  decode(less, hex('82'))
  t.notOk(less.tooLarge, 'the next block has its own verdict')
})

t.test('the number of fields, crumbs of a cookie too', async t => {
  const crumbs: Field[] = Array.from({ length: 20 }, (_, i) => ['cookie', `c${i}=1`, 'literal'])
  const decoder = new HpackDecoder({ maxFields: 20 })
  t.equal(decode(decoder, new OtherEncoder().encode(crumbs)).length, 20)
  t.notOk(decoder.tooLarge)
  t.equal(decode(decoder, new OtherEncoder().encode([...crumbs, ['x', 'y', 'never']])).length, 20)
  t.ok(decoder.tooLarge)
})

t.test('a block over the limit keeps the table in step', async t => {
  const encoder = new OtherEncoder()
  const decoder = new HpackDecoder({ maxListBytes: 100 })
  const fields: Field[] = [
    ['first', '1', 'incremental'],
    ['large', 'x'.repeat(200), 'literal'],
    ['second', '2', 'incremental'],
    ['third', '3', 'never'],
    ['fourth', '4', 'incremental'],
  ]
  t.same(pairs(decode(decoder, encoder.encode(fields))), [['first', '1']])
  t.ok(decoder.tooLarge)
  const next: Field[] = [
    ['second', '2', 'indexed'],
    ['fourth', '4', 'indexed'],
  ]
  t.same(
    pairs(decode(decoder, encoder.encode(next))),
    next.map(([name, value]) => [name, value]),
  )
  t.notOk(decoder.tooLarge)
  t.equal(decoder.table.count, 3)
})

t.test('what is dropped is checked all the same', async t => {
  const over = hex('0001 61 0162')
  const after = (block: string) =>
    tokenOf(() => decode(new HpackDecoder({ maxListBytes: 10 }), Buffer.concat([over, hex(block)])))
  t.equal(after('0001 61 8118'), 'hpack-huffman-padding')
  t.equal(after('0081 18 0161'), 'hpack-huffman-padding')
  t.equal(after('0f7f 0161'), 'hpack-bad-index')
  t.equal(after('0001 61 0261'), 'hpack-string-overrun')
  t.equal(after('0001 61'), 'hpack-truncated')
  t.equal(after('20'), 'hpack-size-update-late')
  t.equal(after('0001 61 811f 1001 61 0162'), 'none')
})

t.test('a header bomb: many references to one large entry', async t => {
  const large = 'b'.repeat(4000)
  const decoder = new HpackDecoder()
  decode(decoder, new OtherEncoder().encode([['a', large, 'incremental']]))
  const bomb = Buffer.alloc(60_000, 0xbe)
  const before = process.memoryUsage().heapUsed
  const fields = decode(decoder, bomb)
  t.ok(decoder.tooLarge)
  t.equal(fields.length, 16, 'what fits in 64 KiB')
  t.equal(decoder.listBytes, 60_000 * 4033, 'all of it was counted')
  t.ok(
    fields.every(field => field === fields[0]),
    'one object',
  )
  t.ok(process.memoryUsage().heapUsed - before < 4 * 2 ** 20, 'and no memory for the rest')
  t.same(pairs(decode(decoder, hex('be'))), [['a', large]], 'the session goes on')
})

t.test('a field larger than the table empties it and is no error (§4.4)', async t => {
  const decoder = new HpackDecoder()
  const encoder = new OtherEncoder()
  const large = 'v'.repeat(5000)
  t.same(
    pairs(
      decode(
        decoder,
        encoder.encode([
          ['a', 'b', 'incremental'],
          ['big', large, 'incremental'],
        ]),
      ),
    ),
    [
      ['a', 'b'],
      ['big', large],
    ],
  )
  t.equal(decoder.table.count, 0)
  t.equal(decoder.table.size, 0)
})

t.test('an entry whose insertion evicts the entry that its name refers to (§4.4)', async t => {
  const decoder = new HpackDecoder()
  // Room for one entry; the second takes its name from the first.
  const block = Buffer.concat([hex('3f11 40'), plain('name'), plain('1'), hex('7e'), plain('2'), hex('be')])
  t.same(pairs(decode(decoder, block)), [
    ['name', '1'],
    ['name', '2'],
    ['name', '2'],
  ])
  t.equal(decoder.table.count, 1)
})

t.test('long Huffman-coded strings, beyond any scratch buffer', async t => {
  const coded = Buffer.alloc(40_000, 0)
  const block = Buffer.concat([hex('0001 61 ff c1b702'), coded])
  const decoder = new HpackDecoder({ maxListBytes: 2 ** 20 })
  const [field] = decode(decoder, block)
  t.equal(field?.value, '0'.repeat(64_000))
})
