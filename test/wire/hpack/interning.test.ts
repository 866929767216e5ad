/** One object for what repeats, across sessions; no memory for what does not. */
import t from 'tap'
import type { HeaderField as SeamField } from '../../../src/transport/transport.ts'
import { HpackDecoder, rawCached } from '../../../src/wire/hpack/decoder.ts'
import { HeaderField, Mode } from '../../../src/wire/hpack/header-field.ts'
import {
  fieldOf,
  INTERNED_BYTES_MAX,
  INTERNED_FIELDS_MAX,
  INTERNED_NAMES_MAX,
  interned,
} from '../../../src/wire/hpack/interning.ts'
import { RAW_BYTES_MAX } from '../../../src/wire/hpack/raw-cache.ts'
import { STATIC_COUNT, STATIC_FIELDS } from '../../../src/wire/hpack/static-table.ts'
import { type Field, HpackEncoder as OtherEncoder, type Representation } from '../../support/hpack.ts'
import { collect, decode, encode, hex, plain, session } from './support.ts'

const once = (field: Field) => decode(new HpackDecoder(), new OtherEncoder().encode([field]))[0]!

t.test('an indexed field is the same object from any session', async t => {
  const first = once(['x-same', 'value', 'incremental'])
  t.equal(once(['x-same', 'value', 'incremental']), first, 'at once')
  t.equal(fieldOf('x-same', 'value'), first, 'and of strings')
  // The same text, Huffman-coded and plain.
  const coded = decode(new HpackDecoder(), hex('4001 61 82 6402'))[0]!
  t.equal(decode(new HpackDecoder(), Buffer.concat([hex('4001 61'), plain('302')]))[0], coded)
  t.equal(first.name, 'x-same')
  t.equal(first.size, 'x-same'.length + 'value'.length + 32)
  const seam: SeamField = first
  t.equal(seam.neverIndexed, false)
})

t.test('values that no sample of them tells apart are told apart', async t => {
  for (let at = 0; at < 100; at++) {
    const value = `${'a'.repeat(at)}b${'a'.repeat(99 - at)}`
    t.equal(fieldOf('x-alike', value).value, value)
  }
})

t.test('static fields are those of the table', async t => {
  for (let index = 1; index <= STATIC_COUNT; index++) {
    const field = STATIC_FIELDS[index]!
    t.equal(field.staticIndex, index)
    if (field.name !== 'content-length') t.equal(fieldOf(field.name, field.value), field)
    t.equal(once([field.name, field.value, 'incremental']), field)
    t.equal(once([field.name, field.value, 'literal']).staticIndex, 0, 'a literal stays one')
    t.equal(once([field.name, field.value, 'never']).staticIndex, 0)
  }
})

t.test('representations are distinct objects', async t => {
  const as = (how: Representation) => [1, 2, 3, 4].map(() => once(['x-mode', 'v', how])).at(-1)!
  const three = [as('incremental'), as('literal'), as('never')]
  t.same(
    three.map(field => field.mode),
    [Mode.INDEXED, Mode.LITERAL, Mode.NEVER],
  )
  t.same(
    three.map(field => field.neverIndexed),
    [false, false, true],
  )
  t.equal(as('literal'), as('literal'), 'a literal that repeats is found by its octets')
  t.not(as('never'), as('never'), 'a secret is not shared')
})

t.test('what differs each call is literal when the proxy makes it', async t => {
  t.equal(fieldOf('grpc-timeout', '99m').mode, Mode.LITERAL)
  t.equal(fieldOf('x-kind', 'v').mode, Mode.INDEXED)
  t.equal(fieldOf('x-kind', 'v', true).mode, Mode.NEVER)
  t.ok(fieldOf('x-kind', 'v') instanceof HeaderField)
})

t.test('endless distinct fields fill no memory, and push out nothing that is used', async t => {
  const used = fieldOf('x-used', 'often')
  fieldOf('x-used', 'often')
  const literal = () => once(['x-used', 'literal', 'literal'])
  const usedLiteral = [literal(), literal(), literal(), literal()].at(-1)!
  const { decoder } = session()
  const settle = () => {
    collect()
    return process.memoryUsage().heapUsed
  }
  let baseline = 0
  for (let i = 0; i < 300_000; i++) {
    // Each third way in: indexed, literal, a name of its own.
    const n = i.toString(36).padStart(5, '0')
    const block = Buffer.concat([
      Buffer.concat([hex('40'), plain('x-used'), plain(`v${n}`)]),
      Buffer.concat([hex('00'), plain('x-used'), plain(`l${n}`)]),
      Buffer.concat([hex('40'), plain(`n${n}`), plain('v')]),
      Buffer.concat([hex('10'), plain(`s${n}`), plain(n)]),
    ])
    decoder.decode(block, 0, block.length)
    if (i === 50_000) baseline = settle()
  }
  const now = interned()
  t.ok(now.fields <= INTERNED_FIELDS_MAX, `${now.fields} fields`)
  t.ok(now.bytes <= INTERNED_BYTES_MAX)
  t.ok(now.names <= INTERNED_NAMES_MAX)
  t.ok(rawCached().entries <= 1024 + 256)
  t.ok(settle() - baseline < 2 ** 20, 'the heap is flat')
  t.equal(fieldOf('x-used', 'often'), used)
  t.equal(literal(), usedLiteral)
})

t.test('large fields, sent again and again, fill no more than the bound', async t => {
  for (let i = 0; i < 6000; i++) {
    const value = `${i}-${'v'.repeat(900)}`
    const block = Buffer.concat([
      hex('0001 61 7f'),
      Buffer.from([(value.length - 127) | 0x80, (value.length - 127) >> 7]),
      Buffer.from(value),
    ])
    for (let again = 0; again < 3; again++) new HpackDecoder().decode(block, 0, block.length)
    fieldOf('x-large', value)
    fieldOf('x-large', value)
  }
  t.ok(interned().bytes <= INTERNED_BYTES_MAX)
  t.ok(rawCached().bytes <= (1024 + 256) * RAW_BYTES_MAX)
  t.ok(rawCached().entries <= 1024 + 256)
  const larger = 'w'.repeat(1100)
  t.not(fieldOf('x-larger', larger), fieldOf('x-larger', larger), 'one that no table takes is not kept')
})

t.test('a field forgotten and made anew is carried all the same', async t => {
  const { encoder, decoder } = session()
  const old = fieldOf('x-forgotten', 'v')
  decode(decoder, encode(encoder, [old]))
  for (let i = 0; i < 20_000; i++) {
    fieldOf('x-flood', `${i}`)
    fieldOf('x-flood', `${i}`)
  }
  const again = fieldOf('x-forgotten', 'v')
  const [a, b] = decode(decoder, encode(encoder, [old, again]))
  t.equal(a?.value, 'v')
  t.equal(b?.value, 'v')
})
