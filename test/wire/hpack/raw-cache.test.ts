/** Literals found by their octets: only what is equal in each octet, name and representation is. */
import t from 'tap'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { RAW_BYTES_MAX, RawCache } from '../../../src/wire/hpack/raw-cache.ts'
import { decode, dice, hex, pairs, plain } from './support.ts'

t.test('kept when seen for the second time', async t => {
  const cache = new RawCache<string>(8)
  const [owner, bytes] = [{}, Buffer.from('..content..')]
  const look = () => cache.find(owner, 1, bytes, 2, 9)
  t.equal(look(), undefined)
  t.equal(cache.offer(owner, bytes, 2, 9, 'a'), undefined)
  t.equal(cache.size.entries, 0, 'once is nothing')
  t.equal(look(), undefined)
  t.equal(cache.offer(owner, bytes, 2, 9, 'b')?.toString(), 'content')
  t.equal(look(), 'b')
  t.equal(look(), 'b')
  t.equal(cache.find({}, 1, bytes, 2, 9), undefined, 'another owner')
  t.equal(cache.find(owner, 2, bytes, 2, 9), undefined, 'another tag')
  t.equal(cache.find(owner, 1, bytes, 2, 8), undefined, 'less')
  t.same(cache.size, { entries: 1, bytes: 7 })
  bytes[5] = 0x2e
  t.equal(look(), undefined, 'other octets in the same place')
})

t.test('two of one set stay, whichever is asked for', async t => {
  const cache = new RawCache<string>(2)
  const owners = [{}, {}, {}]
  const all = ['first', 'other', 'third'].map(text => Buffer.from(text))
  const find = (i: number) => cache.find(owners[i], i, all[i]!, 0, 5)
  const admit = (i: number) => {
    for (let n = 0; n < 2; n++) {
      find(i)
      cache.offer(owners[i], all[i]!, 0, 5, `value ${i}`)
    }
  }
  admit(0)
  t.equal(find(0), 'value 0', 'asked for: it takes the first place')
  admit(1)
  for (const i of [0, 1, 0, 1, 1, 0, 0]) t.equal(find(i), `value ${i}`)
  admit(2)
  t.equal(find(0), 'value 0', 'what was asked for last stays')
  t.equal(find(1), undefined)
  t.equal(find(2), 'value 2')
  t.same(cache.size, { entries: 2, bytes: 10 })
})

t.test('bounded in number and size', async t => {
  const cache = new RawCache<number>(16)
  const bytes = Buffer.alloc(RAW_BYTES_MAX + 1)
  for (let i = 0; i < 10_000; i++) {
    bytes.writeUInt32LE(i, 0)
    for (let again = 0; again < 3; again++) {
      if (cache.find(null, 0, bytes, 0, 40) === undefined) cache.offer(null, bytes, 0, 40, i)
    }
  }
  t.ok(cache.size.entries <= 16)
  t.ok(cache.size.bytes <= 16 * 40)
  for (let again = 0; again < 3; again++) {
    cache.find(null, 0, bytes, 0, bytes.length)
    t.equal(cache.offer(null, bytes, 0, bytes.length, 1), undefined, 'one octet too long')
  }
})

t.test('octets that no sample of them tells apart', async t => {
  const decoder = new HpackDecoder({ maxListBytes: 2 ** 20 })
  const roll = dice(7)
  // Long values that differ in one octet anywhere; each several times, in turn.
  const texts = Array.from({ length: 300 }, () => {
    const text = Buffer.alloc(20 + roll(100), 0x61)
    text[roll(text.length)] = 0x62
    return text.toString('latin1')
  })
  for (let i = 0; i < 6000; i++) {
    const text = texts[roll(texts.length)]!
    const block = Buffer.concat([hex('0f0d'), plain(text)])
    const [field] = decode(decoder, block)
    if (field?.value !== text || field.name !== 'content-length') t.fail(`${text} became ${field?.value}`)
  }
})

t.test('the same octets under other names, indices and representations', async t => {
  const decoder = new HpackDecoder()
  const roll = dice(11)
  const names = [':path', 'content-length', 'x-a', 'x-b']
  const heads = [
    [hex('04'), hex('0f0d'), Buffer.concat([hex('00'), plain('x-a')]), Buffer.concat([hex('00'), plain('x-b')])],
    [hex('14'), hex('1f0d'), Buffer.concat([hex('10'), plain('x-a')]), Buffer.concat([hex('10'), plain('x-b')])],
    [hex('44'), hex('5c'), Buffer.concat([hex('40'), plain('x-a')]), Buffer.concat([hex('40'), plain('x-b')])],
  ]
  for (let i = 0; i < 3000; i++) {
    const [how, which, value] = [roll(3), roll(4), `${roll(5)}`]
    const [field] = decode(decoder, Buffer.concat([heads[how]![which]!, plain(value)]))
    const right = field?.name === names[which] && field?.value === value && field?.neverIndexed === (how === 1)
    if (!right || field?.mode !== [1, 2, 0][how]) t.fail(`${names[which]} ${value} ${how}`)
  }
})

t.test('Huffman-coded and plain octets of one shape are not mixed up', async t => {
  // Length 2: the same octets, once as they are and once as a code.
  for (let i = 0; i < 4; i++) {
    t.same(pairs(decode(new HpackDecoder(), hex('0f0d 02 6402 0f0d 82 6402'))), [
      ['content-length', 'd\x02'],
      ['content-length', '302'],
    ])
  }
})

t.test('a name index means what the table says now', async t => {
  // `7e`/`0f2f`: the name of the newest entry, another one each time; the same octets of the value.
  const decoder = new HpackDecoder()
  for (let i = 0; i < 200; i++) {
    const name = `x-${i % 3}`
    const block = Buffer.concat([hex('40'), plain(name), plain(`${i}`), hex('0f2f'), plain('v')])
    t.same(pairs(decode(decoder, block))[1], [name, 'v'])
  }
})
