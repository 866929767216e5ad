/** Inputs for the reader alone and for the HPACK decoder alone. */
import type { FrameHandler } from '../../../src/wire/frame.ts'
import { FrameReader } from '../../../src/wire/frame-reader.ts'
import type { FrameReaderOptions } from '../../../src/wire/frame-reader-options.ts'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { HpackEncoder, maxEncodedBytes } from '../../../src/wire/hpack/encoder.ts'
import { HPACK_TOKENS } from '../../../src/wire/hpack/hpack-error.ts'
import { fieldOf } from '../../../src/wire/hpack/interning.ts'
import { ConnectionError, PROTOCOL_TOKENS, type StreamError } from '../../../src/wire/protocol-error.ts'
import { ENOUGH_UNITS, Work } from '../../../src/wire/work.ts'
import { type Field, HpackDecoder as OtherDecoder, HpackEncoder as OtherEncoder } from '../../support/hpack.ts'
import { sizeUpdateOf } from './given.ts'
import { spliced } from './mutate.ts'
import { chance, must, pick, type Random } from './random.ts'

/** What a reader tells, as one number and its tokens. Overwrites every DATA frame: it may. */
class Digest implements FrameHandler {
  sum = 0
  readonly tokens: string[] = []

  #add(kind: number, ...numbers: number[]): void {
    for (const n of [kind, ...numbers]) this.sum = (Math.imul(this.sum, 31) + n) | 0
  }
  #bytes(bytes: Buffer, start: number, end: number): void {
    this.#add(end - start)
    for (let i = start; i < end; i++) this.sum = (Math.imul(this.sum, 31) + bytes[i]!) | 0
  }

  onData(id: number, bytes: Buffer, start: number, end: number, flow: number, last: boolean, head: number): void {
    must(bytes.readUIntBE(head, 3) === flow && head + 9 <= start && end <= head + 9 + flow, 'the place of DATA')
    this.#add(0, id, flow, +last)
    this.#bytes(bytes, start, end)
    bytes.fill(0xee, head, head + 9 + flow)
  }
  onHeaders(id: number, bytes: Buffer, start: number, end: number, last: boolean): void {
    this.#add(1, id, +last)
    this.#bytes(bytes, start, end)
  }
  onRstStream(id: number, code: number): void {
    this.#add(3, id, code)
  }
  onSettings(bytes: Buffer, start: number, end: number): void {
    this.#add(4)
    this.#bytes(bytes, start, end)
  }
  onSettingsAck(): void {
    this.#add(14)
  }
  onPing(bytes: Buffer, at: number, ack: boolean): void {
    this.#add(6, +ack)
    this.#bytes(bytes, at, at + 8)
  }
  onGoaway(last: number, code: number, bytes: Buffer, start: number, end: number): void {
    this.#add(7, last, code)
    this.#bytes(bytes, start, end)
  }
  onWindowUpdate(id: number, increment: number): void {
    this.#add(8, id, increment)
  }
  onPriority(id: number): void {
    this.#add(2, id)
  }
  onPushPromise(id: number, promised: number, bytes: Buffer, start: number, end: number): void {
    this.#add(5, id, promised)
    this.#bytes(bytes, start, end)
  }
  onUnknown(type: number, id: number, length: number): void {
    this.#add(type, id, length)
  }
  onStreamError(error: StreamError, flow: number): void {
    must(error.token in PROTOCOL_TOKENS, `a StreamError without a token: ${error}`)
    this.tokens.push(error.token)
    this.#add(15, error.streamId, error.code, flow)
  }
}

export interface ReaderInput {
  readonly options: FrameReaderOptions
  readonly pushEnabled: boolean
  readonly input: Buffer
  readonly pieces: number
}

/** Bytes that a reader may hold beside a field block: a frame, with room to grow. */
const JOIN_MOST = 16_393

/** Whole, and in pieces and in turns: the same is told. */
export function playReader({ options, pushEnabled, input, pieces }: ReaderInput, random: Random): readonly string[] {
  const most = (options.maxFrameSize ?? 16_384) + JOIN_MOST + (options.maxHeaderBlockBytes ?? 262_144)
  const read = (next: () => number, work?: Work) => {
    const digest = new Digest()
    const reader = new FrameReader(digest, { ...options, work })
    reader.pushEnabled = pushEnabled
    try {
      for (let at = 0; at < input.length; ) {
        const to = Math.min(input.length, at + next())
        const chunk = Buffer.from(input.subarray(at, to))
        for (let done = 0; done < chunk.length; ) {
          if (work !== undefined) work.left = random(2 * ENOUGH_UNITS)
          done = reader.read(chunk, chunk.length, done)
        }
        chunk.fill(0xcc)
        must(reader.heldBytes <= most, `${reader.heldBytes} bytes held`)
        at = to
      }
      reader.close()
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      must(error.token in PROTOCOL_TOKENS, `a ConnectionError without a token: ${error}`)
      digest.tokens.push(error.token)
      const { sum } = digest
      reader.read(input)
      must(sum === digest.sum, 'something told by a dead reader')
    }
    must(reader.heldBytes === 0, 'bytes held by a dead reader')
    return digest
  }
  const whole = read(() => input.length)
  const cut = read(() => 1 + random(2 * pieces), new Work())
  must(
    whole.sum === cut.sum && `${whole.tokens}` === `${cut.tokens}`,
    `in pieces: ${cut.tokens}, whole: ${whole.tokens}`,
  )
  return whole.tokens
}

const WORDS = [
  ':path',
  ':method',
  'POST',
  'te',
  'trailers',
  'x-a',
  '',
  '/a.B/C',
  'grpc-timeout',
  '99m',
  'v'.repeat(300),
  '\xff\x00\x80',
]
const KINDS = ['indexed', 'incremental', 'literal', 'never'] as const

/** Blocks of one direction; a size goes before the block whose encoder changed it. */
export type BlockSession = readonly Buffer[]

/** Sessions of 1 to 4 blocks: half by the independent encoder, half by ours, which knows Huffman coding. */
export function blockSession(random: Random): BlockSession {
  const [plain, ours] = [new OtherEncoder(), new HpackEncoder()]
  const other = chance(random, 2)
  return Array.from({ length: 1 + random(4) }, () => {
    const list = Array.from(
      { length: random(10) },
      (): Field => [pick(random, WORDS), pick(random, WORDS), pick(random, KINDS)],
    )
    if (chance(random, 6)) {
      const size = random(4_097)
      plain.resize(size)
      ours.setLimit(size)
    }
    if (other) return plain.encode(list)
    const block = list.map(([name, value, how]) => fieldOf(name, value, how === 'never'))
    const into = Buffer.alloc(maxEncodedBytes(block))
    return into.subarray(0, ours.encode(block, into, 0))
  })
}

export interface DecoderInput {
  readonly maxListBytes: number
  readonly maxFields: number
  readonly blocks: readonly Buffer[]
  /** Our limits that the peer acknowledges before each block. */
  readonly limits: readonly (readonly number[])[]
}

export function decoderInput(random: Random, session: BlockSession): DecoderInput {
  const blocks = [...session]
  for (let n = random(4); n > 0; n--) {
    const i = random(blocks.length)
    blocks[i] = chance(random, 3) ? flipped(blocks[i]!, random) : spliced(blocks[i]!, random, 0)
  }
  const small = chance(random, 5)
  const limit = () => pick(random, [0, 31, 100, 2_000, 4_095, 4_096, 10_000])
  const limits = blocks.map(() => (chance(random, 8) ? Array.from({ length: 1 + random(2) }, limit) : []))
  return { maxListBytes: small ? 400 : 65_536, maxFields: small ? 4 : 128, blocks, limits }
}

function flipped(block: Buffer, random: Random): Buffer {
  const copy = Buffer.from(block)
  if (copy.length > 0) copy[random(copy.length)]! ^= 1 << random(8)
  return copy
}

/** As the independent decoder sees it, or a token. */
export function playDecoder({ maxListBytes, maxFields, blocks, limits }: DecoderInput): readonly string[] {
  const decoder = new HpackDecoder({ maxListBytes, maxFields })
  const other = new OtherDecoder(10_000)
  let limit = 4_096
  let limited = false
  let owed = Number.POSITIVE_INFINITY
  for (const [i, block] of blocks.entries()) {
    for (limit of limits[i]!) {
      limited = true
      decoder.setLimit(limit)
      // RFC 9113 §4.3.1.
      if (limit < decoder.table.capacity) owed = Math.min(owed, limit)
    }
    const theirs = attempt(() => other.decode(block).map(f => `${f.name}\0${f.value}\0${f.neverIndexed}`))
    const bytes = Buffer.concat([Buffer.alloc(3, 0xff), block, Buffer.alloc(3, 0xff)])
    try {
      const fields = decoder.decode(bytes, 3, 3 + block.length)
      bytes.fill(0x55)
      const mine = fields.map(f => `${f.name}\0${f.value}\0${f.neverIndexed}`)
      must(fields.length <= maxFields && fields.reduce((sum, f) => sum + f.size, 0) <= maxListBytes, 'over the limits')
      must(decoder.tooLarge || decoder.listBytes <= maxListBytes, 'tooLarge')
      must(
        decoder.table.size <= decoder.table.capacity && decoder.table.capacity <= Math.max(limit, 4_096),
        'the table',
      )
      if (owed < Number.POSITIVE_INFINITY) {
        const size = sizeUpdateOf(block)
        must(size >= 0 && size <= owed, `a size update to ${size} where ${owed} is the most`)
        owed = Number.POSITIVE_INFINITY
      }
      must(theirs !== undefined, `accepted what is none: ${block.toString('hex')}`)
      must(decoder.table.size === other.table.size, `another table after ${block.toString('hex')}`)
      must(decoder.tooLarge ? mine.length < theirs.length : mine.length === theirs.length, 'another number of fields')
      if (!decoder.tooLarge) must(`${mine}` === `${theirs}`, `other fields: ${block.toString('hex')}`)
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      const { token, code } = error
      must(code === 9 && token in HPACK_TOKENS, `an HPACK error without a token: ${error}`)
      // There an integer may be longer, and the limit of the table is fixed.
      const stricter = token === 'hpack-integer-overflow' || token === 'hpack-size-update-too-large' || limited
      must(theirs === undefined || stricter, `rejected with ${token}: ${block.toString('hex')}`)
      return [token]
    }
  }
  return []
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
