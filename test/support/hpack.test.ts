import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { HpackDecoder, HpackEncoder } from './hpack.ts'
import { huffmanDecode } from './huffman.ts'

const pairs = (fields: readonly { name: string; value: string }[]) => fields.map(f => [f.name, f.value])
const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

t.test('RFC 7541 C.2: each representation', async t => {
  const cases = [
    ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', 'custom-key', 'custom-header', 'incremental'],
    ['040c 2f73 616d 706c 652f 7061 7468', ':path', '/sample/path', 'literal'],
    ['1008 7061 7373 776f 7264 0673 6563 7265 74', 'password', 'secret', 'never'],
    ['82', ':method', 'GET', 'indexed'],
  ] as const
  for (const [wire, name, value, representation] of cases) {
    const expected = {
      name,
      value,
      neverIndexed: representation === 'never',
      representation,
    }
    t.same(new HpackDecoder().decode(hex(wire)), [expected], `C.2 ${representation} is decoded`)
    t.equal(new HpackEncoder().encode([[name, value, representation]]).toString('hex'), wire.replaceAll(' ', ''))
  }
})

const REQUESTS = [
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
    ['cache-control', 'no-cache'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
] as const

t.test('RFC 7541 C.3: three requests without Huffman, both ways', async t => {
  const wires = [
    '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '8286 84be 5808 6e6f 2d63 6163 6865',
    '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
  ]
  const decoder = new HpackDecoder()
  const encoder = new HpackEncoder()
  for (const [at, wire] of wires.entries()) {
    t.same(pairs(decoder.decode(hex(wire))), REQUESTS[at])
    t.equal(encoder.encode(REQUESTS[at]!, 'indexed').toString('hex'), wire.replaceAll(' ', ''))
  }
  t.equal(decoder.table.size, 164)
})

t.test('RFC 7541 C.4: the same requests with Huffman', async t => {
  const decoder = new HpackDecoder()
  const wires = [
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    '8286 84be 5886 a8eb 1064 9cbf',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
  ]
  for (const [at, wire] of wires.entries()) t.same(pairs(decoder.decode(hex(wire))), REQUESTS[at])
})

t.test('RFC 7541 C.6: responses with Huffman and eviction from a table of 256 octets', async t => {
  const decoder = new HpackDecoder(256)
  decoder.decode(
    hex(`4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d
         29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`),
  )
  t.equal(decoder.table.size, 222)
  decoder.decode(hex('4883 640e ffc1 c0bf'))
  t.equal(decoder.table.size, 222)
  const last = decoder.decode(
    hex(`88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7
         821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed
         4ee5 b106 3d50 07`),
  )
  t.same(pairs(last), [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
  ])
  t.equal(decoder.table.size, 215)
})

t.test('errors of RFC 7541 are thrown', async t => {
  t.throws(() => new HpackDecoder().decode(hex('80')), {
    message: /no entry at index 0/,
  })
  t.throws(() => new HpackDecoder().decode(hex('be')), {
    message: /no entry at index 62/,
  })
  t.throws(() => new HpackDecoder().decode(hex('00 05 61')), {
    message: /past the end/,
  })
  t.throws(() => new HpackDecoder().decode(hex('82 20')), {
    message: /size update after a field/,
  })
  t.throws(() => new HpackDecoder(100).decode(hex('3f 46')), {
    message: /limit 100/,
  })
  t.throws(() => huffmanDecode(hex('ff ff ff ff')), { message: /EOS/ })
  t.throws(() => huffmanDecode(hex('ff')), { message: /padding/ }, 'eight bits of padding')
  t.throws(() => huffmanDecode(hex('18')), { message: /padding/ }, 'padding of zeros')
})

t.test('latin1 octets and long strings survive a round', async t => {
  const fields = [
    ['x-latin1', Buffer.from([0x80, 0xe9, 0xff]).toString('latin1')],
    ['x-long', 'v'.repeat(70_000)],
  ] as const
  for (const usual of ['literal', 'incremental', 'never', 'indexed'] as const) {
    t.same(pairs(new HpackDecoder().decode(new HpackEncoder().encode(fields, usual))), fields, usual)
  }
})

t.test('a size update empties the table of both sides', async t => {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder()
  decoder.decode(encoder.encode([['a', 'b']], 'indexed'))
  encoder.resize(0)
  encoder.resize(4096)
  t.same(pairs(decoder.decode(encoder.encode([['a', 'b']], 'indexed'))), [['a', 'b']])
  t.equal(decoder.table.entries.length, 1)
})

const VECTORS = new URL('../../../shared/vectors/hpack-test-case/', import.meta.url)

interface Story {
  readonly cases: {
    readonly wire: string
    readonly headers: Record<string, string>[]
    header_table_size?: number
  }[]
}

t.test(
  'stories of hpack-test-case',
  {
    skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
  },
  async t => {
    for (const folder of ['nghttp2', 'nghttp2-change-table-size', 'haskell-http2-linear-huffman', 'go-hpack']) {
      const stories = readdirSync(new URL(`${folder}/`, VECTORS)).filter(name => name.endsWith('.json'))
      for (const name of stories) {
        const story: Story = JSON.parse(readFileSync(new URL(`${folder}/${name}`, VECTORS), 'utf8'))
        const limit = Math.max(4096, ...story.cases.map(c => c.header_table_size ?? 0))
        const decoder = new HpackDecoder(limit)
        const wrong = story.cases.filter(({ wire, headers }) => {
          const expected = headers.flatMap(Object.entries).map(pair => pair.map(toLatin1))
          return JSON.stringify(pairs(decoder.decode(hex(wire)))) !== JSON.stringify(expected)
        })
        t.equal(wrong.length, 0, `${folder}/${name}: ${story.cases.length} blocks`)
      }
    }
  },
)

/** The stories are UTF-8 texts; a header string of ours is its octets. */
function toLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
