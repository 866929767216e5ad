/**
 * The Huffman code of HPACK (RFC 7541 §5.2 and Appendix B), decoding only. The code is canonical:
 * the lengths alone determine it, codes of one length being consecutive in the order of their symbols.
 */

/** Length in bits of the code of each octet, then of EOS. */
// biome-ignore format: sixteen a line, as octets are
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]

const EOS = 256

/** Symbol by `length << 30 | code`, kept as a number of at most 35 bits. */
const SYMBOLS = new Map<number, number>()
const key = (length: number, code: number) => length * 2 ** 30 + code

let nextCode = 0
for (let length = 1; length <= 30; length++) {
  nextCode *= 2
  for (const [symbol, its] of LENGTHS.entries()) {
    if (its === length) SYMBOLS.set(key(length, nextCode++), symbol)
  }
}

/** @throws when the bytes are not a Huffman string (RFC 7541 §5.2) */
export function huffmanDecode(bytes: Buffer): string {
  const out: number[] = []
  let code = 0
  let length = 0
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1)
      length++
      const symbol = SYMBOLS.get(key(length, code))
      if (symbol === EOS) throw new Error('Huffman: EOS in a string')
      if (symbol === undefined) continue
      out.push(symbol)
      code = 0
      length = 0
    }
  }
  // "Padding strictly longer than 7 bits MUST be treated as a decoding error", as must padding that
  // is not "the most significant bits of the code for the EOS symbol", which are all ones.
  if (length > 7 || code !== 2 ** length - 1) throw new Error('Huffman: bad padding')
  return Buffer.from(out).toString('latin1')
}
