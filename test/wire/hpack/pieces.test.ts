/** A block that comes in pieces decodes to what it does in one, at every split point; and no more of it is held. */
import fc from 'fast-check'
import t from 'tap'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { type Field, HpackEncoder } from '../../support/hpack.ts'

interface Outcome {
  readonly fields?: readonly (readonly [string, string, number])[]
  readonly tooLarge?: boolean
  readonly table?: object
  readonly token?: string
}

const tableOf = ({ table: { count, size, capacity } }: HpackDecoder) => ({ count, size, capacity })

function outcome(decoder: HpackDecoder, decode: () => ReturnType<HpackDecoder['decode']>): Outcome {
  try {
    const fields = decode().map(({ name, value, mode }) => [name, value, mode] as const)
    return { fields, tooLarge: decoder.tooLarge, table: tableOf(decoder) }
  } catch (error) {
    // Which of two reasons an unfinished string has depends on what is there of the block.
    const { token } = error as { token: string }
    return { token: token === 'hpack-string-overrun' ? 'hpack-truncated' : token }
  }
}

const whole = (decoder: HpackDecoder, block: Buffer) => outcome(decoder, () => decoder.decode(block, 0, block.length))

function inPieces(decoder: HpackDecoder, block: Buffer, ...ends: readonly number[]): Outcome {
  return outcome(decoder, () => {
    let start = 0
    for (const end of [...ends, block.length]) {
      // A buffer of its own, which is written over: nothing of it may be kept.
      const piece = Buffer.from(block.subarray(start, end))
      decoder.push(piece, 0, piece.length)
      piece.fill(0xff)
      start = end
    }
    return decoder.finish()
  })
}

const LIMITS = { maxListBytes: 200, maxFields: 6 }

const BLOCKS: readonly (readonly [string, readonly Field[]])[] = [
  [
    'fields of all kinds',
    [
      [':method', 'GET'],
      ['x-a', '1', 'indexed'],
      ['x-b', 'two', 'never'],
      ['x-c', ''],
    ],
  ],
  [
    'again, by index',
    [
      ['x-a', '1', 'indexed'],
      ['x-d', 'x'.repeat(60)],
    ],
  ],
  [
    'a value above the list',
    [
      ['x-a', '1', 'indexed'],
      ['x-long', 'v'.repeat(300)],
      ['x-after', 'k', 'indexed'],
    ],
  ],
  [
    'a name above the list',
    [
      [`x-${'n'.repeat(300)}`, 'v'],
      ['x-after', 'k', 'indexed'],
    ],
  ],
  ['an entry above the list that the table keeps', [['x-large', 'w'.repeat(500), 'indexed']]],
  [
    'found by its index',
    [
      ['x-large', 'w'.repeat(500), 'indexed'],
      ['x-after', 'k', 'indexed'],
    ],
  ],
  [
    'an entry above the table empties it',
    [
      ['x-huge', 'h'.repeat(5_000), 'indexed'],
      ['x-next', '1', 'indexed'],
    ],
  ],
  ['and what came after it is there', [['x-next', '1', 'indexed']]],
  ['too many fields', Array.from({ length: 9 }, (_, i): Field => [`x-${i}`, 'v', 'indexed'])],
  ['nothing', []],
]

t.test('the same fields and the same table, at every split point', async t => {
  for (let split = 0; split < 700; split++) {
    const encoder = new HpackEncoder()
    const [one, other] = [new HpackDecoder(LIMITS), new HpackDecoder(LIMITS)]
    for (const [what, fields] of BLOCKS) {
      const block = encoder.encode(fields)
      const at = Math.min(split, block.length)
      const expected = whole(one, block)
      const came = inPieces(other, block, at, Math.min(at + 1, block.length))
      if (JSON.stringify(came) !== JSON.stringify(expected)) t.same(came, expected, `${what}, split at ${split}`)
    }
  }
  t.pass()
})

t.test('whatever comes, in whatever pieces', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.array(fc.nat(40), { maxLength: 4 })), { maxLength: 5 }),
      blocks => {
        const limits = { maxListBytes: 100, maxFields: 3 }
        const [one, other] = [new HpackDecoder(limits), new HpackDecoder(limits)]
        for (const [octets, splits] of blocks) {
          const block = Buffer.from(octets)
          const ends = splits.map(at => Math.min(at, block.length)).sort((a, b) => a - b)
          const expected = whole(one, block)
          const came = inPieces(other, block, ...ends)
          // An octet that is wrong may come behind a string that is cut: both are found, one first.
          if (expected.token !== undefined || came.token !== undefined)
            return (expected.token === undefined) === (came.token === undefined)
          if (JSON.stringify(came) !== JSON.stringify(expected)) return false
        }
        return true
      },
    ),
    { numRuns: 5_000 },
  )
})

t.test('a lowered limit is met by a size update in pieces too', async t => {
  const decoder = new HpackDecoder()
  decoder.setLimit(100)
  t.match(inPieces(decoder, Buffer.from([0x82])), { token: 'hpack-size-update-missing' })
  const other = new HpackDecoder()
  other.setLimit(100)
  t.match(inPieces(other, Buffer.from([0x3f, 0x45, 0x82]), 1), { fields: [[':method', 'GET', 0]] })
  t.match(inPieces(other, Buffer.from([0x82, 0x20]), 1), { token: 'hpack-size-update-late' })
})

t.test('of 16 MiB no more is held than the list may have, and a piece', async t => {
  const maxListBytes = 65_536
  const piece = Buffer.alloc(16_384, 'v')
  for (const [what, first] of [
    // A literal without indexing, `x-a`, and a length of 16 MiB; a coded string; one that is to be indexed.
    ['plain', [0x00, 3, 0x78, 0x2d, 0x61, 0x7f, 0x81, 0xff, 0xff, 0x07]],
    ['coded', [0x00, 3, 0x78, 0x2d, 0x61, 0xff, 0x81, 0xff, 0xff, 0x07]],
    ['indexed', [0x40, 3, 0x78, 0x2d, 0x61, 0x7f, 0x81, 0xff, 0xff, 0x07]],
    ['a name', [0x00, 0x7f, 0x81, 0xff, 0xff, 0x07]],
    // It fits, but only its beginning comes.
    ['a string of 60 KB', [0x00, 3, 0x78, 0x2d, 0x61, 0x7f, 0xe1, 0xd3, 0x03]],
  ] as const) {
    const decoder = new HpackDecoder({ maxListBytes })
    decoder.push(Buffer.from(first), 0, first.length)
    let most = decoder.heldBytes
    for (let i = 0; i < (what === 'a string of 60 KB' ? 3 : 1_023); i++) {
      decoder.push(piece, 0, piece.length)
      most = Math.max(most, decoder.heldBytes)
    }
    t.ok(most <= maxListBytes + 2 * piece.length, `${what}: ${most} bytes`)
  }
})

t.test('200,000 references beyond the limit are look-ups', async t => {
  const decoder = new HpackDecoder({ maxListBytes: 10_000 })
  const encoder = new HpackEncoder()
  const first = encoder.encode([['x-bomb', 'v'.repeat(4_000), 'indexed']])
  decoder.push(first, 0, first.length)
  const references = Buffer.alloc(16_384, 0xbe)
  for (let i = 0; i < 13; i++) decoder.push(references, 0, references.length)
  const fields = decoder.finish()
  t.equal(fields.length, 2)
  t.equal(decoder.tooLarge, true)
  t.equal(decoder.listBytes, (13 * 16_384 + 1) * 4_038)
  t.equal(decoder.heldBytes, 0, 'once it is whole')
})
