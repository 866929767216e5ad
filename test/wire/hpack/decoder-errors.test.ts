/** Every error of the decoder; none leaves anything but a ConnectionError with its token. */
import t from 'tap'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { HPACK_TOKENS } from '../../../src/wire/hpack/hpack-error.ts'
import { decode, hex, pairs, tokenOf } from './support.ts'

const token = (block: string, decoder = new HpackDecoder()) => tokenOf(() => decode(decoder, hex(block)))
const seen = new Set<string>()

t.test('indices', async t => {
  for (const [block, what] of [
    ['80', 'index 0'],
    ['be', 'the first of an empty dynamic table'],
    ['7f00 0161', 'the name of a literal past the end, incremental'],
    ['0f2f 0161', 'without indexing'],
    ['1f2f 0161', 'never indexed'],
    ['4001 6101 62 bf', 'the second of one'],
    ['ffffffff07', 'far past the end'],
  ] as const) {
    t.equal(token(block), 'hpack-bad-index', what)
  }
  seen.add('hpack-bad-index')
  t.equal(token('4001 6101 62 be'), 'none', 'the first of one')
  t.equal(token('bd'), 'none', 'the last static one')
})

t.test('integers (§5.1)', async t => {
  t.equal(token('ff8080808008'), 'hpack-integer-overflow', '2^31 and the prefix')
  t.equal(token('ffffffffff07'), 'hpack-integer-overflow', '2^31 − 1 and the prefix')
  t.equal(token('ff8080808000'), 'hpack-bad-index', 'zeros to the longest form: 127, and no such entry')
  t.equal(token('ff808080808000'), 'hpack-integer-overflow', 'one zero more')
  t.equal(token(`ff${'80'.repeat(5000)}`), 'hpack-integer-overflow', 'endless')
  t.equal(token('007f ffffffffff 00'), 'hpack-integer-overflow', 'the length of a string')
  t.equal(token('3fffffffff0f'), 'hpack-integer-overflow', 'a table size')
  seen.add('hpack-integer-overflow')
})

t.test('a block cut anywhere is an error, or ends between two fields', async t => {
  const block = hex('3fe101 82 400161 0162 0f0d 826402 1008 7061 7373 776f 7264 0673 6563 7265 74 be')
  const borders = new Set([0, 3, 4, 9, 14, 31])
  for (let cut = 0; cut < block.length; cut++) {
    const got = tokenOf(() => decode(new HpackDecoder(), block.subarray(0, cut)))
    if (borders.has(cut)) t.equal(got, 'none', `cut at ${cut}`)
    else if (!/^hpack-(truncated|string-overrun)$/.test(got)) t.fail(`cut at ${cut}: ${got}`)
  }
  t.equal(decode(new HpackDecoder(), block).length, 5)
  t.equal(token('40'), 'hpack-truncated', 'no name')
  t.equal(token('400161'), 'hpack-truncated', 'no value')
  t.equal(token('7f'), 'hpack-truncated', 'within an index')
  t.equal(token('007f80'), 'hpack-truncated', 'within a length')
  t.equal(token('3f'), 'hpack-truncated', 'within a size update')
  seen.add('hpack-truncated')
})

t.test('strings', async t => {
  t.equal(token('0002 61'), 'hpack-string-overrun', 'a name')
  t.equal(token('0001 61 02 62'), 'hpack-string-overrun', 'a value')
  t.equal(token('007f ffffff7f 61'), 'hpack-string-overrun', 'one of 2^28 octets')
  t.equal(token('0081 18 0161'), 'hpack-huffman-padding')
  t.equal(token('0084 ffffffff 0161'), 'hpack-huffman-eos')
  t.equal(token('0081 1f 00'), 'none', 'an empty value')
  t.equal(token('0000 00'), 'none', 'an empty name is for the layer above')
  for (const each of ['hpack-string-overrun', 'hpack-huffman-padding', 'hpack-huffman-eos']) seen.add(each)
})

t.test('size updates (§4.2, §6.3)', async t => {
  t.equal(token('8220'), 'hpack-size-update-late', 'after a field')
  t.equal(token('3fe21f'), 'hpack-size-update-too-large', '4,097')
  t.equal(token('3fe11f 82'), 'none', '4,096')
  t.equal(token('20 3fe11f 82'), 'none', 'two')

  const lowered = () => {
    const decoder = new HpackDecoder()
    decoder.setLimit(100)
    return decoder
  }
  t.equal(token('82', lowered()), 'hpack-size-update-missing')
  t.equal(token('', lowered()), 'hpack-size-update-missing', 'an empty block')
  t.equal(token('3f46 82', lowered()), 'hpack-size-update-too-large', '101')
  t.equal(token('3f45 82', lowered()), 'none', '100')

  const thenRaised = () => {
    const decoder = lowered()
    decoder.setLimit(4096)
    return decoder
  }
  t.equal(token('82', thenRaised()), 'hpack-size-update-missing', 'lowered and raised again')
  t.equal(token('3fe11f 82', thenRaised()), 'hpack-size-update-missing', 'the smallest must be signalled')
  t.equal(token('3f45 3fe11f 82', thenRaised()), 'none', 'smallest, then final')
  t.equal(token('20 82', thenRaised()), 'none', 'smaller still')

  const twice = lowered()
  twice.setLimit(200)
  t.equal(token('3fa901 82', twice), 'hpack-size-update-missing', 'to the second limit, over the first')

  const raised = new HpackDecoder()
  raised.setLimit(8192)
  raised.setLimit(4096)
  t.equal(token('82', raised), 'none', 'raised and lowered to what the table has: nothing is owed')
  const used = new HpackDecoder()
  used.setLimit(8192)
  t.equal(token('3fe13f 82', used), 'none', 'an update to 8,192')
  t.equal(used.table.capacity, 8192)
  used.setLimit(4096)
  t.equal(token('82', used), 'hpack-size-update-missing', 'lowered below what the table has')
  for (const each of ['late', 'too-large', 'missing']) seen.add(`hpack-size-update-${each}`)
})

t.test('a size update evicts', async t => {
  const decoder = new HpackDecoder()
  t.same(pairs(decode(decoder, hex('400161 0162 be'))), [
    ['a', 'b'],
    ['a', 'b'],
  ])
  t.equal(token('20 be', decoder), 'hpack-bad-index')
})

t.test('each token is seen here', async t => {
  t.same([...seen].sort(), Object.keys(HPACK_TOKENS).sort())
})
