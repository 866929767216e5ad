/** RFC 7541 Appendix C, whole. */
import t from 'tap'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { HpackEncoder } from '../../../src/wire/hpack/encoder.ts'
import { Mode } from '../../../src/wire/hpack/header-field.ts'
import { writeInteger } from '../../../src/wire/hpack/integer.ts'
import { decode, encode, hex, pairs } from './support.ts'

t.test('C.1 integers', async t => {
  const written = (most: number, value: number) => {
    const into = Buffer.alloc(8)
    return into.subarray(0, writeInteger(into, 0, 0, most, value)).toString('hex')
  }
  t.equal(written(0x1f, 10), '0a', 'C.1.1')
  t.equal(written(0x1f, 1337), '1f9a0a', 'C.1.2')
  t.equal(written(0xff, 42), '2a', 'C.1.3')
  t.equal(written(0x1f, 2 ** 31 - 1), '1fe0ffffff07', 'the largest there is')
})

t.test('C.2 single fields', async t => {
  const one = (block: string) => {
    const decoder = new HpackDecoder()
    const [field] = decode(decoder, hex(block))
    return [field?.name, field?.value, field?.mode, decoder.table.size]
  }
  t.same(one('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'), [
    ...['custom-key', 'custom-header'],
    ...[Mode.INDEXED, 55],
  ])
  t.same(one('040c 2f73 616d 706c 652f 7061 7468'), [':path', '/sample/path', Mode.LITERAL, 0])
  t.same(one('1008 7061 7373 776f 7264 0673 6563 7265 74'), ['password', 'secret', Mode.NEVER, 0])
  t.same(one('82'), [':method', 'GET', Mode.INDEXED, 0])
})

type List = readonly (readonly [string, string])[]
const FIRST: List = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
]
const REQUESTS: readonly List[] = [
  FIRST,
  [...FIRST, ['cache-control', 'no-cache']],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
]
const REST: List = [
  ['cache-control', 'private'],
  ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
  ['location', 'https://www.example.com'],
]
const RESPONSES: readonly List[] = [
  [[':status', '302'], ...REST],
  [[':status', '307'], ...REST],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
  ],
]

const C3 = [
  '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
  '8286 84be 5808 6e6f 2d63 6163 6865',
  '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
]
const C4 = [
  '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
  '8286 84be 5886 a8eb 1064 9cbf',
  '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
]
const C5 = [
  `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
   3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
  '4803 3330 37c1 c0bf',
  `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970
   7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61
   6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
]
const C6 = [
  `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
   1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
  '4883 640e ffc1 c0bf',
  `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2
   e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
]

for (const [section, blocks] of Object.entries({ 'C.3': C3, 'C.4': C4 })) {
  t.test(`${section} requests`, async t => {
    const decoder = new HpackDecoder()
    const sizes = blocks.map((block, i) => {
      t.same(pairs(decode(decoder, hex(block))), REQUESTS[i])
      return decoder.table.size
    })
    t.same(sizes, [57, 110, 164])
    t.equal(decoder.table.count, 3)
  })
}

// The examples have a table of 256 bytes from the start; a session says so by a size update.
for (const [section, blocks] of Object.entries({ 'C.5': C5, 'C.6': C6 })) {
  t.test(`${section} responses, with eviction`, async t => {
    const decoder = new HpackDecoder()
    decoder.setLimit(256)
    const sizes = blocks.map((block, i) => {
      t.same(pairs(decode(decoder, hex((i === 0 ? '3fe101' : '') + block))), RESPONSES[i])
      return decoder.table.size
    })
    t.same(sizes, [222, 222, 215])
    t.equal(decoder.table.count, 3)
  })
}

t.test('our encoder writes C.4 octet for octet', async t => {
  const [decoder, encoder] = [new HpackDecoder(), new HpackEncoder()]
  for (const block of C4)
    t.equal(encode(encoder, decode(decoder, hex(block))).toString('hex'), hex(block).toString('hex'))
  t.equal(encoder.table.size, 164)
})
