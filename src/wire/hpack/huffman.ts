/**
 * Huffman coding of strings (RFC 7541 §5.2), both ways, from octets to octets.
 *
 * The decoder is a state machine over whole octets. A state is an inner node of the code's tree: the
 * bits since the last symbol. One look-up takes a state and an octet to the next state and to the
 * symbols completed on the way: at most two, for the shortest code has five bits.
 *
 *     bits  0–7   first symbol
 *     bits  8–15  second symbol
 *     bits 16–17  symbols completed: 0, 1 or 2
 *     bits 18–26  next state; DEAD after EOS
 */
import { hpackError } from './hpack-error.ts'
import { CODE_LENGTHS, CODES, EOS } from './huffman-code.ts'

const DEAD = 256
const COUNT_SHIFT = 16
const STATE_SHIFT = 18

/** 256 inner nodes and DEAD, 256 octets each. */
const STEPS = new Uint32Array(257 * 256)
/** 1 where a string may end: after the last symbol there is nothing, or up to 7 one-bits. */
const MAY_END = new Uint8Array(257)
buildStates()

const CODE = Uint32Array.from(CODES.slice(0, EOS))
const LENGTH = Uint8Array.from(CODE_LENGTHS.slice(0, EOS))
/** `code << 5 | length` for one look-up, where a code has at most 16 bits; otherwise 0. */
const SHORT_CODE = Uint32Array.from(CODE, (code, octet) => (LENGTH[octet]! <= 16 ? (code << 5) | LENGTH[octet]! : 0))

/** Room that `decodeHuffman` needs for `length` coded octets: the shortest code has five bits, and it writes ahead. */
export function decodedBound(length: number): number {
  return Math.ceil((length * 8) / 5) + 2
}

/**
 * Decodes `bytes[start..end)` to `into` at 0; `into` has room for `decodedBound(end - start)`.
 * @returns the number of bytes written
 * @throws ConnectionError `hpack-huffman-eos`, `hpack-huffman-padding`
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let state = 0
  let length = 0
  for (let i = start; i < end; i++) {
    const step = STEPS[(state << 8) | bytes[i]!]!
    // Both are written, counted or not: how many there are cannot be predicted, and a branch costs more.
    into[length] = step
    into[length + 1] = step >>> 8
    length += (step >>> COUNT_SHIFT) & 3
    state = step >>> STATE_SHIFT
  }
  checkEnd(state)
  return length
}

function checkEnd(state: number): void {
  // §5.2: "A Huffman-encoded string literal containing the EOS symbol MUST be treated as a decoding
  // error." Nothing leaves DEAD, so that looking once is enough.
  if (state === DEAD) throw hpackError('hpack-huffman-eos')
  // §5.2: "A padding strictly longer than 7 bits MUST be treated as a decoding error. A padding not
  // corresponding to the most significant bits of the code for the EOS symbol MUST be treated as a
  // decoding error."
  if (MAY_END[state] === 0) throw hpackError('hpack-huffman-padding')
}

/** A coded string that comes in pieces. */
export class HuffmanRun {
  #state = 0

  /**
   * Decodes the next octets to `into` from `at` on, where there is room for `decodedBound` of them. @returns where the
   * next byte goes
   */
  decode(bytes: Uint8Array, start: number, end: number, into: Uint8Array, at: number): number {
    let state = this.#state
    for (let i = start; i < end; i++) {
      const step = STEPS[(state << 8) | bytes[i]!]!
      into[at] = step
      into[at + 1] = step >>> 8
      at += (step >>> COUNT_SHIFT) & 3
      state = step >>> STATE_SHIFT
    }
    this.#state = state
    return at
  }

  /** The same without keeping anything. @returns the number of bytes */
  count(bytes: Uint8Array, start: number, end: number): number {
    let state = this.#state
    let length = 0
    for (let i = start; i < end; i++) {
      const step = STEPS[(state << 8) | bytes[i]!]!
      length += (step >>> COUNT_SHIFT) & 3
      state = step >>> STATE_SHIFT
    }
    this.#state = state
    return length
  }

  /** The string is whole. @throws as `decodeHuffman` */
  end(): void {
    checkEnd(this.#state)
    this.#state = 0
  }
}

/** Octets that `octets[0..length)` take when coded. */
export function huffmanLength(octets: Uint8Array, length: number): number {
  let bits = 0
  for (let i = 0; i < length; i++) bits += LENGTH[octets[i]!]!
  return (bits + 7) >>> 3
}

/** Writes `octets[0..length)` coded, which are `huffmanLength` octets. @returns where the next octet goes */
export function encodeHuffman(octets: Uint8Array, length: number, into: Uint8Array, at: number): number {
  // `held` bits wait in the low end of `bits`: fewer than 16 between symbols, and 16 more fit.
  let bits = 0
  let held = 0
  for (let i = 0; i < length; i++) {
    const octet = octets[i]!
    const short = SHORT_CODE[octet]!
    if (short !== 0) {
      const width = short & 31
      bits = (bits << width) | (short >>> 5)
      held += width
    } else {
      // The upper bits come first.
      const code = CODE[octet]!
      const upper = LENGTH[octet]! - 16
      bits = (bits << upper) | (code >>> 16)
      held += upper
      if (held >= 16) {
        held -= 16
        into[at] = bits >>> (held + 8)
        into[at + 1] = bits >>> held
        at += 2
      }
      bits = (bits << 16) | (code & 0xffff)
      held += 16
    }
    if (held >= 16) {
      held -= 16
      into[at] = bits >>> (held + 8)
      into[at + 1] = bits >>> held
      at += 2
    }
  }
  if (held >= 8) {
    held -= 8
    into[at++] = bits >>> held
  }
  // §5.2: "the most significant bits of the code corresponding to the EOS (end-of-string) symbol"
  // pad the last octet; they are ones.
  if (held > 0) into[at++] = (bits << (8 - held)) | (0xff >>> held)
  return at
}

/** Fills STEPS and MAY_END from the code table. */
function buildStates(): void {
  // Children of each inner node: another node, or ~symbol.
  const zero: number[] = [0]
  const one: number[] = [0]
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0
    for (let bit = CODE_LENGTHS[symbol]! - 1; bit >= 0; bit--) {
      const side = (CODES[symbol]! >>> bit) & 1 ? one : zero
      if (bit === 0) {
        side[node] = ~symbol
        break
      }
      if (side[node] === 0) {
        side[node] = zero.push(0) - 1
        one.push(0)
      }
      node = side[node]!
    }
  }
  for (let node = 0; node < DEAD; node++) {
    for (let octet = 0; octet < 256; octet++) STEPS[(node << 8) | octet] = stepOf(node, octet, zero, one)
  }
  STEPS.fill(DEAD << STATE_SHIFT, DEAD << 8)
  for (let node = 0, depth = 0; depth <= 7; depth++, node = one[node]!) MAY_END[node] = 1
}

function stepOf(from: number, octet: number, zero: readonly number[], one: readonly number[]): number {
  let node = from
  let symbols = 0
  let count = 0
  for (let bit = 7; bit >= 0; bit--) {
    const child = ((octet >>> bit) & 1 ? one : zero)[node]!
    if (child >= 0) {
      node = child
      continue
    }
    if (~child === EOS) return DEAD << STATE_SHIFT
    symbols |= ~child << (8 * count++)
    node = 0
  }
  return ((node << STATE_SHIFT) | (count << COUNT_SHIFT) | symbols) >>> 0
}
