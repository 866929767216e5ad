/**
 * Measures what a header block costs in HPACK, for decoding and encoding apart, by kind of block (header-session.ts).
 *
 * Each case is a session in its steady state. Where values are fresh they stay fresh: thousands of other blocks pass
 * before one comes again, and what is encoded was decoded just before, as in a proxy.
 */
import { HpackDecoder } from '../../src/wire/hpack/decoder.ts'
import { HpackEncoder } from '../../src/wire/hpack/encoder.ts'
import { HeaderField, Mode } from '../../src/wire/hpack/header-field.ts'
import { nameOf } from '../../src/wire/hpack/interning.ts'
import type { Case } from './case.ts'
import {
  bearer,
  dense,
  emptyTable,
  FRESH_BLOCKS,
  type Kind,
  kinds,
  type Session,
  sessionOf,
  traceparent,
} from './header-session.ts'

/** A session that repeats needs more blocks in a run, because one costs about 20 ns. */
const REPEATED_PER_RUN = 1_024
/** A part of `FRESH_BLOCKS`: a session begins again at the beginning of a run. */
const FRESH_PER_RUN = 64
/** The bytes that a run of the longest blocks fills, as many as an output buffer of the writer has. */
const OUTPUT_BYTES = 65_536

function perRunOf({ steady }: Session): number {
  if (steady.length > 1) return FRESH_PER_RUN
  return Math.min(REPEATED_PER_RUN, Math.floor(OUTPUT_BYTES / steady[0]!.length))
}

/** Bytes of a run on average. */
function bytesOf(session: Session): number {
  const total = session.steady.reduce((bytes, block) => bytes + block.length, 0)
  return (total / session.steady.length) * perRunOf(session)
}

/** A session's blocks, decoded in turn. */
class Decoding {
  /** What the last run decoded. */
  readonly lists: (readonly HeaderField[])[]
  readonly #decoder = new HpackDecoder()
  readonly #blocks: readonly Buffer[]
  #next = 0

  constructor({ opening, steady }: Session, perRun: number) {
    this.lists = new Array(perRun).fill([])
    this.#blocks = steady
    for (const block of opening) this.#decoder.decode(block, 0, block.length)
  }

  /** The next run begins the session again. */
  get atStart(): boolean {
    return this.#next === 0
  }

  /** @returns fields */
  run(): number {
    const { lists } = this
    const blocks = this.#blocks
    let fields = 0
    for (let i = 0; i < lists.length; i++) {
      const block = blocks[this.#next]!
      this.#next = this.#next + 1 === blocks.length ? 0 : this.#next + 1
      const list = this.#decoder.decode(block, 0, block.length)
      lists[i] = list
      fields += list.length
    }
    return fields
  }
}

export class DecodeCase implements Case {
  readonly name: string
  readonly unit = 'block'
  readonly perRun: number
  readonly bytes: number
  readonly yields: number
  readonly kind: Kind
  readonly #decoding: Decoding

  constructor(kind: Kind, session: Session) {
    this.name = `decode ${kind.name}`
    this.kind = kind
    this.perRun = perRunOf(session)
    this.bytes = bytesOf(session)
    this.yields = this.perRun * kind.lists[0]!.length
    this.#decoding = new Decoding(session, this.perRun)
  }

  /** What the last run decoded. */
  get lists(): readonly (readonly HeaderField[])[] {
    return this.#decoding.lists
  }

  run(): number {
    return this.#decoding.run()
  }
}

/** Encodes lists to blocks, one behind the other as in the output of a connection. */
class Encoding {
  readonly encoder = new HpackEncoder()
  readonly out: Buffer = Buffer.alloc(OUTPUT_BYTES)
  /** Where the blocks of the last run end. */
  readonly ends: number[]

  constructor(perRun: number) {
    this.ends = new Array(perRun).fill(0)
  }

  /** @returns blocks that have octets */
  run(lists: readonly (readonly HeaderField[])[]): number {
    const { ends } = this
    let at = 0
    let blocks = 0
    for (let i = 0; i < lists.length; i++) {
      const end = this.encoder.encode(lists[i]!, this.out, at)
      if (end > at) blocks++
      at = ends[i] = end
    }
    return blocks
  }

  /** What the last run wrote. */
  blocks(): Buffer[] {
    return this.ends.map((end, i) => this.out.subarray(i === 0 ? 0 : this.ends[i - 1]!, end))
  }
}

export class EncodeCase implements Case {
  readonly name: string
  readonly unit = 'block'
  readonly perRun: number
  readonly bytes: number
  readonly yields: number
  readonly kind: Kind
  /** The session's first blocks as this encoder wrote them, before any run. */
  readonly opening: readonly Buffer[]
  readonly #decoding: Decoding
  readonly #encoding: Encoding
  readonly #restarts: boolean

  constructor(kind: Kind, session: Session) {
    this.name = `encode ${kind.name}`
    this.kind = kind
    this.perRun = this.yields = perRunOf(session)
    this.bytes = bytesOf(session)
    this.#restarts = kind.lists.length > 1
    this.#encoding = new Encoding(this.perRun)
    this.opening = session.opening.map(block => {
      const { out, encoder } = this.#encoding
      const fields = new HpackDecoder().decode(block, 0, block.length)
      return Buffer.from(out.subarray(0, encoder.encode(fields, out, 0)))
    })
    this.#decoding = new Decoding(session, this.perRun)
  }

  prepare(): void {
    if (this.#restarts && this.#decoding.atStart) emptyTable(this.#encoding.encoder)
    this.#decoding.run()
  }

  run(): number {
    return this.#encoding.run(this.#decoding.lists)
  }

  /** What the last run wrote. */
  blocks(): Buffer[] {
    return this.#encoding.blocks()
  }
}

/** A literal that did not come from a wire, like those that the proxy adds: its string is encoded and not copied. */
export class EncodeStringCase implements Case {
  readonly name: string
  readonly unit = 'block'
  readonly perRun = FRESH_PER_RUN
  readonly bytes: number
  readonly yields = FRESH_PER_RUN
  readonly field: string
  readonly values: readonly string[]
  readonly #encoding = new Encoding(FRESH_PER_RUN)
  #lists: readonly (readonly HeaderField[])[] = []
  #next = 0

  constructor(name: string, field: string, values: readonly string[]) {
    this.name = `encode ${name}`
    this.field = field
    this.values = values
    this.bytes = FRESH_PER_RUN * values[0]!.length
  }

  prepare(): void {
    const key = nameOf(this.field)
    const from = this.#next
    this.#next = (from + FRESH_PER_RUN) % this.values.length
    // These are new objects, because a field that is encoded twice keeps its octets.
    this.#lists = Array.from({ length: FRESH_PER_RUN }, (_, i) => [
      new HeaderField(key, this.values[from + i]!, Mode.LITERAL),
    ])
  }

  run(): number {
    return this.#encoding.run(this.#lists)
  }

  /** What the last run wrote. */
  blocks(): Buffer[] {
    return this.#encoding.blocks()
  }
}

export type HpackCase = DecodeCase | EncodeCase | EncodeStringCase

export function cases(): readonly HpackCase[] {
  const sessions = kinds().map(kind => [kind, sessionOf(kind)] as const)
  const strings = (make: () => string) => Array.from({ length: FRESH_BLOCKS }, make)
  return [
    ...sessions.map(([kind, session]) => new DecodeCase(kind, session)),
    ...sessions.map(([kind, session]) => new EncodeCase(kind, session)),
    new EncodeStringCase('a new string of 55 B, Huffman-coded', 'traceparent', strings(traceparent)),
    new EncodeStringCase(
      'a new string of 55 B, plain',
      'traceparent',
      strings(() => dense(55)),
    ),
    new EncodeStringCase('a new string of 900 B, Huffman-coded', 'authorization', strings(bearer)),
    new EncodeStringCase(
      'a new string of 900 B, plain',
      'authorization',
      strings(() => dense(900)),
    ),
  ]
}
