/** String literals (RFC 7541 §5.2), writing: Huffman-coded where that is shorter. */
import { encodeHuffman, huffmanLength } from './huffman.ts'
import { writeInteger } from './integer.ts'
import { writeLatin1 } from './latin1.ts'

/** Below this a loop beats a call that copies. */
const SHORT = 12

/** Strings as octets: a table look-up by octet is twice as fast as one by `charCodeAt`. */
const scratch = Buffer.allocUnsafeSlow(16_384)

/** Writes `text` (latin1). @returns where the next octet goes */
export function writeString(text: string, into: Buffer, at: number): number {
  const length = text.length
  const octets = length <= scratch.length ? scratch : Buffer.allocUnsafeSlow(length)
  if (length >= SHORT) writeLatin1(text, octets, 0)
  else for (let i = 0; i < length; i++) octets[i] = text.charCodeAt(i)
  const coded = huffmanLength(octets, length)
  if (coded < length) return encodeHuffman(octets, length, into, writeInteger(into, at, 0x80, 0x7f, coded))
  at = writeInteger(into, at, 0, 0x7f, length)
  if (length >= SHORT) writeLatin1(text, into, at)
  else for (let i = 0; i < length; i++) into[at + i] = octets[i]!
  return at + length
}

/** Writes `text` (latin1) as it is. @returns where the next octet goes */
export function writePlain(text: string, into: Buffer, at: number): number {
  at = writeInteger(into, at, 0, 0x7f, text.length)
  writeLatin1(text, into, at)
  return at + text.length
}

/** Writes octets that were encoded before. @returns where the next octet goes */
export function writeOctets(octets: Uint8Array, into: Buffer, at: number): number {
  const length = octets.length
  if (length >= SHORT) into.set(octets, at)
  else for (let i = 0; i < length; i++) into[at + i] = octets[i]!
  return at + length
}
