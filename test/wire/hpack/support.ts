/** What the tests of HPACK share. Blocks are written by hand or by the independent codec of test/support. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { HpackEncoder, maxEncodedBytes } from '../../../src/wire/hpack/encoder.ts'
import { type HeaderField, type HeaderFieldLike, Mode } from '../../../src/wire/hpack/header-field.ts'
import { ConnectionError } from '../../../src/wire/protocol-error.ts'
import type { Field, Representation } from '../../support/hpack.ts'

setFlagsFromString('--expose-gc')
/** Collects garbage now. */
export const collect: () => void = runInNewContext('gc')

/** `'8286 84'` to bytes. */
export const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex')

/** Decodes somewhere within a larger buffer, which is overwritten afterwards: nothing may point into it. */
export function decode(decoder: HpackDecoder, block: Buffer): readonly HeaderField[] {
  const around = Buffer.alloc(block.length + 7, 0xff)
  block.copy(around, 3)
  try {
    return decoder.decode(around, 3, 3 + block.length)
  } finally {
    around.fill(0x55)
  }
}

/** Encodes into exactly the room that is promised to suffice. */
export function encode(encoder: HpackEncoder, block: readonly HeaderFieldLike[]): Buffer {
  const room = maxEncodedBytes(block)
  const into = Buffer.alloc(room + 5, 0xee)
  const end = encoder.encode(block, into, 2)
  if (end - 2 > room) throw new Error(`wrote ${end - 2} octets, promised ${room}`)
  if (into[0] !== 0xee || into[1] !== 0xee || into[end] !== 0xee) throw new Error('wrote outside of its range')
  return Buffer.from(into.subarray(2, end))
}

/** The token of the ConnectionError that `run` throws. */
export function tokenOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ConnectionError && error.code === 0x9) return error.token
    throw error
  }
  return 'none'
}

export const pairs = (fields: readonly HeaderFieldLike[]) => fields.map(field => [field.name, field.value] as const)

const MODES: Readonly<Record<Representation, Mode>> = {
  indexed: Mode.INDEXED,
  incremental: Mode.INDEXED,
  literal: Mode.LITERAL,
  never: Mode.NEVER,
}

/** As tuples with a mode, to compare. */
export const modes = (fields: readonly HeaderField[]) => fields.map(({ name, value, mode }) => [name, value, mode])
export const modesOf = (fields: readonly Field[]) =>
  fields.map(([name, value, how]) => [name, value, MODES[how ?? 'literal']])

/** A string literal that is not Huffman-coded, shorter than 127 octets. */
export const plain = (text: string) => Buffer.from(String.fromCharCode(text.length) + text, 'latin1')

/** A stream of numbers below `n`, the same in each run. */
export function dice(seed: number): (n: number) => number {
  let state = seed >>> 0
  return n => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

/** A decoder and an encoder that start a session. */
export const session = () => ({ decoder: new HpackDecoder(), encoder: new HpackEncoder() })
