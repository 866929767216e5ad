/**
 * Measures what the frame layer costs by itself: reading, writing, forwarding, and the copies that decide how to
 * forward.
 *
 * No sockets: reads of 64 KiB are cut from a prepared stream, as the platform delivers them, and what is written is
 * thrown away, as if the kernel took all of it at once.
 */
import { rewriteHead, writeHead } from '../../src/wire/frame.ts'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import { FrameWriter } from '../../src/wire/frame-writer.ts'
import type { Case } from './case.ts'
import { Counter } from './counter.ts'

const READ_BYTES = 65_536
const CALLS = 1_000
const LARGE_FRAMES = 64
const LARGE_BYTES = 16_384
/** Blocks and message of a small call's response. */
const HEAD_BLOCK_BYTES = 12
const MESSAGE_BYTES = 44
const TRAILER_BLOCK_BYTES = 8
/** The most calls that a turn of the loop answers, within one output buffer. */
const CALLS_A_FLUSH = 500
/** The forwarded stream: another, of the same kind, and after two runs the same again as the stream lies in place. */
const OTHER_STREAM = 2

const SETTINGS = frame(4, 0, 0, 0)

function frame(type: number, flags: number, streamId: number, bytes: number): Buffer {
  const out = Buffer.alloc(9 + bytes, 7)
  writeHead(out, 0, bytes, type, flags, streamId)
  return out
}

/** Responses of small calls: HEADERS of a few indexed fields, 44 bytes of DATA, trailers. */
function smallCalls(): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i < CALLS; i++) {
    const id = 2 * i + 1
    parts.push(frame(1, 4, id, HEAD_BLOCK_BYTES), frame(0, 0, id, MESSAGE_BYTES), frame(1, 5, id, TRAILER_BLOCK_BYTES))
  }
  return Buffer.concat(parts)
}

function largeFrames(): Buffer {
  return Buffer.concat(Array.from({ length: LARGE_FRAMES }, () => frame(0, 0, 1, LARGE_BYTES)))
}

function inReads(stream: Buffer): Buffer[] {
  const reads: Buffer[] = []
  // Each read has memory of its own, as from a socket.
  for (let at = 0; at < stream.length; at += READ_BYTES) reads.push(Buffer.from(stream.subarray(at, at + READ_BYTES)))
  return reads
}

/** A stream to read, and what is in it. */
interface Input {
  readonly stream: Buffer
  readonly frames: number
}

export class ReadCase implements Case {
  readonly name: string
  readonly unit = 'frame'
  readonly perRun: number
  readonly bytes: number
  readonly yields: number
  readonly counter = new Counter()
  readonly #reads: readonly Buffer[]
  readonly #reader = new FrameReader(this.counter, { role: 'client' })

  constructor(name: string, { stream, frames }: Input) {
    this.name = name
    this.perRun = this.yields = frames
    this.bytes = stream.length
    this.#reads = inReads(stream)
    this.#reader.read(SETTINGS)
  }

  /** @returns frames */
  run(): number {
    const before = this.counter.frames
    for (const read of this.#reads) this.#reader.read(read)
    return this.counter.frames - before
  }
}

/** How long DATA is forwarded. A connection copies the frames that two reads brought, and no others. */
type Way = 'in place' | 'in place, joined ones copied' | 'all copied'

/** Sends on what it gets, as a proxy does: on other streams, with copied headers. */
class Forwarder extends Counter {
  readonly reader: FrameReader = new FrameReader(this, { role: 'client' })
  readonly writer = new FrameWriter()
  readonly way: Way
  constructor(way: Way) {
    super()
    this.way = way
  }
  override onData(id: number, bytes: Buffer, start: number, end: number, flow: number, endStream: boolean, at: number) {
    this.frames++
    if (this.way === 'all copied') return this.writer.data(id ^ OTHER_STREAM, bytes, start, end, endStream)
    rewriteHead(bytes, at, endStream ? 1 : 0, id ^ OTHER_STREAM)
    if (this.way === 'in place, joined ones copied' && this.reader.joined)
      this.writer.copySpan(bytes, at, at + 9 + flow)
    else if (this.writer.forwardSpan(bytes, at, at + 9 + flow)) this.reader.keep()
  }
  override onHeaders(id: number, bytes: Buffer, start: number, end: number, endStream: boolean) {
    this.frames++
    this.writer.headers(id ^ OTHER_STREAM, bytes, start, end, endStream)
  }
}

export class ForwardCase implements Case {
  readonly name: string
  readonly unit = 'frame'
  readonly perRun: number
  readonly bytes: number
  readonly yields: number
  readonly stream: Buffer
  readonly #reads: readonly Buffer[]
  readonly #forwarder: Forwarder

  constructor(name: string, { stream, frames }: Input, way: Way) {
    this.name = name
    this.perRun = frames
    this.bytes = this.yields = stream.length
    this.stream = stream
    this.#reads = inReads(stream)
    this.#forwarder = new Forwarder(way)
    this.#forwarder.reader.read(SETTINGS)
  }

  /** @returns bytes sent on */
  run(): number {
    const { reader, writer } = this.#forwarder
    let bytes = 0
    for (const read of this.#reads) {
      reader.read(read)
      // The flush at the end of a turn.
      for (const span of writer.take()) bytes += span.length
      writer.reuse()
    }
    return bytes
  }

  /** The same, with what was sent on. */
  output(): Buffer {
    const { reader, writer } = this.#forwarder
    const spans: Buffer[] = []
    for (const read of this.#reads) {
      reader.read(read)
      spans.push(Buffer.concat(writer.take()))
      writer.reuse()
    }
    return Buffer.concat(spans)
  }
}

/** Frames of a kind, `perFlush` of the unit before each flush. */
export class WriteCase implements Case {
  readonly name: string
  readonly unit = 'frame'
  readonly perRun: number
  readonly bytes: number
  readonly yields: number
  readonly #writer = new FrameWriter()
  readonly #write: (writer: FrameWriter) => void
  readonly #flushes: number

  /** `write` writes what one flush takes: so many frames, so many bytes. */
  constructor(
    name: string,
    write: (writer: FrameWriter) => void,
    { frames, bytes }: { frames: number; bytes: number },
    flushes: number,
  ) {
    this.name = name
    this.#write = write
    this.#flushes = flushes
    this.perRun = frames * flushes
    this.bytes = this.yields = bytes * flushes
  }

  /** @returns bytes written */
  run(): number {
    let bytes = 0
    for (let i = 0; i < this.#flushes; i++) {
      this.#write(this.#writer)
      for (const span of this.#writer.take()) bytes += span.length
      this.#writer.reuse()
    }
    return bytes
  }

  /** What one flush takes. */
  output(): Buffer {
    this.#write(this.#writer)
    const output = Buffer.concat(this.#writer.take())
    this.#writer.reuse()
    return output
  }
}

function writeCases(): WriteCase[] {
  const block = Buffer.alloc(HEAD_BLOCK_BYTES, 7)
  const message = Buffer.alloc(LARGE_BYTES, 7)
  const answers = (writer: FrameWriter): void => {
    for (let i = 0; i < CALLS_A_FLUSH; i++) {
      const id = 2 * i + 1
      writer.headers(id, block, 0, HEAD_BLOCK_BYTES, false)
      writer.data(id, message, 0, MESSAGE_BYTES, false)
      writer.headers(id, block, 0, TRAILER_BLOCK_BYTES, true)
    }
  }
  const updates = (writer: FrameWriter): void => {
    for (let i = 0; i < CALLS_A_FLUSH; i++) writer.windowUpdate(2 * i + 1, 32_768)
  }
  // 256 KiB: what a connection has in one flush at most.
  const large = (writer: FrameWriter): void => {
    for (let i = 0; i < 16; i++) writer.dataByReference(1, message, 0, LARGE_BYTES, false)
  }
  const callBytes = 3 * 9 + HEAD_BLOCK_BYTES + MESSAGE_BYTES + TRAILER_BLOCK_BYTES
  return [
    new WriteCase('write, small calls', answers, { frames: 3 * CALLS_A_FLUSH, bytes: callBytes * CALLS_A_FLUSH }, 2),
    new WriteCase('write, WINDOW_UPDATE', updates, { frames: CALLS_A_FLUSH, bytes: 13 * CALLS_A_FLUSH }, 8),
    new WriteCase('write, DATA of 16 KiB, by reference', large, { frames: 16, bytes: 16 * (9 + LARGE_BYTES) }, 20),
  ]
}

/** Copying by loop and by `Buffer.copy`, which shows where `LOOP_COPY_BYTES` (src/wire/frame.ts) belongs. */
function copyCase(size: number, loop: boolean): Case {
  const from = Buffer.alloc(READ_BYTES, 1)
  const to = Buffer.alloc(READ_BYTES)
  const times = 1_000
  const run = (): number => {
    for (let i = 0; i < times; i++) {
      const at = (i * 64) & 0x7fff
      if (loop) for (let j = 0; j < size; j++) to[at + j] = from[at + j]!
      else from.copy(to, at, at, at + size)
    }
    // The first and the last byte that the last copy wrote.
    const last = ((times - 1) * 64) & 0x7fff
    return to[last]! + to[last + size - 1]!
  }
  const prepare = (): void => {
    to.fill(0)
  }
  const name = `copy ${size} bytes, ${loop ? 'loop' : 'Buffer.copy'}`
  return { name, unit: 'copy', perRun: times, bytes: times * size, yields: 2, prepare, run }
}

/**
 * 16 payloads and a flush, copied or by reference, which shows where `REFERENCE_BYTES` (src/wire/frame-writer.ts)
 * belongs.
 */
function spanCase(size: number, copied: boolean): Case {
  const from = Buffer.alloc(17 * (size + 100), 1)
  const writer = new FrameWriter()
  const flushes = 32
  const run = (): number => {
    let bytes = 0
    for (let flush = 0; flush < flushes; flush++) {
      for (let i = 0; i < 16; i++) {
        // A gap between them, so that they do not merge.
        const at = i * (size + 100)
        if (copied) writer.copySpan(from, at, at + size)
        else writer.forwardSpan(from, at, at + size)
      }
      for (const span of writer.take()) bytes += span.length
      writer.reuse()
    }
    return bytes
  }
  const name = `16 spans of ${size} bytes, ${copied ? 'copied' : 'by reference'}`
  return { name, unit: 'span', perRun: 16 * flushes, bytes: 16 * flushes * size, yields: 16 * flushes * size, run }
}

export function cases(): readonly Case[] {
  const small = { stream: smallCalls(), frames: 3 * CALLS }
  const large = { stream: largeFrames(), frames: LARGE_FRAMES }
  return [
    new ReadCase('read, small calls', small),
    new ReadCase('read, DATA of 16 KiB', large),
    ...writeCases(),
    new ForwardCase('forward, small calls', small, 'in place'),
    new ForwardCase('forward, DATA of 16 KiB, in place', large, 'in place'),
    new ForwardCase('forward, DATA of 16 KiB, in place, joined ones copied', large, 'in place, joined ones copied'),
    new ForwardCase('forward, DATA of 16 KiB, all copied', large, 'all copied'),
    ...[16, 32, 64, 128, 256].flatMap(size => [copyCase(size, true), copyCase(size, false)]),
    ...[4_096, 8_192, 16_384].flatMap(size => [spanCase(size, true), spanCase(size, false)]),
  ]
}
