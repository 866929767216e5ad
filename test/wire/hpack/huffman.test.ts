import fc from 'fast-check'
import t from 'tap'
import { decodedBound, decodeHuffman, encodeHuffman, huffmanLength } from '../../../src/wire/hpack/huffman.ts'
import { CODE_LENGTHS, CODES } from '../../../src/wire/hpack/huffman-code.ts'
import { huffmanDecode as otherDecode } from '../../support/huffman.ts'
import { hex, tokenOf } from './support.ts'

function coded(text: string): Buffer {
  const octets = Buffer.from(text, 'latin1')
  const length = huffmanLength(octets, octets.length)
  const into = Buffer.alloc(length + 1, 0xee)
  const end = encodeHuffman(octets, octets.length, into, 0)
  if (end !== length || into[end] !== 0xee) throw new Error('length and octets differ')
  return into.subarray(0, end)
}

function decoded(bytes: Buffer): string {
  const into = Buffer.alloc(decodedBound(bytes.length))
  return into.toString('latin1', 0, decodeHuffman(bytes, 0, bytes.length, into))
}

t.test('codes of Appendix B', async t => {
  const code = (symbol: number) => [CODES[symbol]!.toString(16), CODE_LENGTHS[symbol]]
  t.same(code(0), ['1ff8', 13])
  t.same(code('0'.charCodeAt(0)), ['0', 5])
  t.same(code('a'.charCodeAt(0)), ['3', 5])
  t.same(code('~'.charCodeAt(0)), ['1ffd', 13])
  t.same(code(10), ['3ffffffc', 30])
  t.same(code(249), ['ffffffe', 28])
  t.same(code(255), ['3ffffee', 26])
  t.same(code(256), ['3fffffff', 30])
  const kraft = CODE_LENGTHS.reduce((sum, length) => sum + 2 ** (30 - length), 0)
  t.equal(kraft, 2 ** 30, 'no code is missing')
})

t.test('each octet alone, twice, and after each other octet', async t => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) {
      const text = String.fromCharCode(a, b, b)
      const bytes = coded(text)
      if (decoded(bytes) !== text || otherDecode(bytes) !== text) t.fail(`octets ${a}, ${b}`)
    }
    if (decoded(coded(String.fromCharCode(a))) !== String.fromCharCode(a)) t.fail(`octet ${a}`)
  }
})

t.test('any text', async t => {
  const latin1 = fc.array(fc.integer({ min: 0, max: 255 })).map(codes => String.fromCharCode(...codes))
  fc.assert(
    fc.property(latin1, text => {
      const bytes = coded(text)
      return decoded(bytes) === text && otherDecode(bytes) === text
    }),
    { numRuns: 2000 },
  )
  t.equal(decoded(Buffer.alloc(0)), '')
  t.equal(coded('').length, 0)
})

t.test('padding and EOS (§5.2)', async t => {
  const token = (bytes: string) => tokenOf(() => decoded(hex(bytes)))
  t.equal(decoded(hex('1f')), 'a', 'a and three bits of padding')
  t.equal(token('18'), 'hpack-huffman-padding', 'padding of zeros')
  t.equal(token('1e'), 'hpack-huffman-padding', 'its last bit a zero')
  t.equal(token('1fff'), 'hpack-huffman-padding', 'a whole octet of padding')
  t.equal(token('ff'), 'hpack-huffman-padding', 'eight bits and no symbol')
  t.equal(token('ffffff'), 'hpack-huffman-padding')
  t.equal(token('ffffffff'), 'hpack-huffman-eos', 'EOS')
  t.equal(token('1fffffffff'), 'hpack-huffman-eos', 'EOS after a symbol')
  t.equal(token('fffffffc1f'), 'hpack-huffman-eos', 'a symbol after EOS')
  // 5 + 6 + 6 bits, and the most padding there is.
  t.equal(decoded(coded('0--')), '0--')
  t.equal(coded('0--')[2]! & 0x7f, 0x7f)
})

t.test('what it accepts and refuses is what an independent decoder does', async () => {
  const verdict = (run: () => string) => {
    try {
      return run()
    } catch {
      return undefined
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.integer({ min: 0, max: 4 }), (array, ones) => {
      const bytes = Buffer.concat([array, Buffer.alloc(ones, 0xff)])
      return verdict(() => decoded(bytes)) === verdict(() => otherDecode(bytes))
    }),
    { numRuns: 20_000 },
  )
})
