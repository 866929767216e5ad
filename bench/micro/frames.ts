/**
 * What the frame layer costs by itself: `node bench/micro/frames.ts [filter]`.
 *
 * Each subject is warmed up and then timed in turn with the others, round by round; shown are the
 * median and the quartiles of the rounds. No sockets: reads of 64 KiB are cut from a prepared stream, as
 * the platform delivers them, and what is written is thrown away, as if the kernel took all of it at once.
 */
import { performance } from 'node:perf_hooks'
import { type FrameHandler, rewriteHead, writeHead } from '../../src/wire/frame.ts'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import { FrameWriter } from '../../src/wire/frame-writer.ts'

const ROUNDS = 21
/** Long enough for the timer, short enough for many rounds. */
const ROUND_MS = 60
const READ_BYTES = 65_536

interface Subject {
  readonly name: string
  /** Does the work once. */
  readonly run: () => void
  /** Frames, and bytes of the stream, of one run. */
  readonly frames: number
  readonly bytes: number
}

/** Only counts: what remains is the reader. */
class Counter implements FrameHandler {
  frames = 0
  bytes = 0
  onData(_id: number, _b: Buffer, start: number, end: number, _flow: number, _end: boolean, _at: number) {
    this.frames++
    this.bytes += end - start
  }
  onHeaders(_id: number, _b: Buffer, start: number, end: number, _end: boolean) {
    this.frames++
    this.bytes += end - start
  }
  onWindowUpdate(_id: number, increment: number) {
    this.frames++
    this.bytes += increment
  }
  onRstStream() {}
  onSettings() {}
  onSettingsAck() {}
  onPing() {}
  onGoaway() {}
  onPriority() {}
  onPushPromise() {}
  onUnknown() {}
  onStreamError() {}
}

type Bulk = 'span' | 'copy-joined' | 'copy'

/** Sends on what it is told, as a proxy does: other stream ids, headers copied, data by `bulk`. */
class Forwarder extends Counter {
  reader!: FrameReader
  readonly writer = new FrameWriter()
  readonly bulk: Bulk
  constructor(bulk: Bulk) {
    super()
    this.bulk = bulk
  }
  override onData(id: number, bytes: Buffer, start: number, end: number, flow: number, endStream: boolean, at: number) {
    this.frames++
    if (this.bulk === 'copy') return this.writer.data(id + 2, bytes, start, end, endStream)
    rewriteHead(bytes, at, endStream ? 1 : 0, id + 2)
    if (this.bulk === 'copy-joined' && this.reader.joined) this.writer.copySpan(bytes, at, at + 9 + flow)
    else if (this.writer.forwardSpan(bytes, at, at + 9 + flow)) this.reader.keep()
  }
  override onHeaders(id: number, bytes: Buffer, start: number, end: number, endStream: boolean) {
    this.frames++
    this.writer.headers(id + 2, bytes, start, end, endStream)
  }
  /** The flush at the end of a turn. */
  flush(): void {
    for (const span of this.writer.take()) this.bytes += span.length
    this.writer.reuse()
  }
}

function frame(type: number, flags: number, streamId: number, bytes: number): Buffer {
  const out = Buffer.alloc(9 + bytes, 7)
  writeHead(out, 0, bytes, type, flags, streamId)
  return out
}

/** A response of a small call: HEADERS of a few indexed fields, 44 bytes of DATA, trailers. */
function smallCalls(calls: number): Buffer {
  const parts: Buffer[] = []
  for (let i = 0; i < calls; i++) {
    const id = 2 * i + 1
    parts.push(frame(1, 4, id, 12), frame(0, 0, id, 44), frame(1, 5, id, 8))
  }
  return Buffer.concat(parts)
}

function bulk(frames: number): Buffer {
  return Buffer.concat(Array.from({ length: frames }, () => frame(0, 0, 1, 16_384)))
}

function inReads(stream: Buffer): Buffer[] {
  const reads: Buffer[] = []
  // Each read in memory of its own, as from a socket.
  for (let at = 0; at < stream.length; at += READ_BYTES) reads.push(Buffer.from(stream.subarray(at, at + READ_BYTES)))
  return reads
}

const settings = frame(4, 0, 0, 0)

function readSubject(name: string, stream: Buffer, frames: number): Subject {
  const reads = inReads(stream)
  const reader = new FrameReader(new Counter(), { role: 'client' })
  reader.read(settings)
  const run = () => {
    for (const read of reads) reader.read(read)
  }
  return { name, run, frames, bytes: stream.length }
}

function forwardSubject(name: string, stream: Buffer, frames: number, how: Bulk): Subject {
  const reads = inReads(stream)
  const forwarder = new Forwarder(how)
  const reader = new FrameReader(forwarder, { role: 'client' })
  forwarder.reader = reader
  reader.read(settings)
  const run = () => {
    for (const read of reads) {
      reader.read(read)
      forwarder.flush()
    }
  }
  return { name, run, frames, bytes: stream.length }
}

/** Copying by loop and by `Buffer.copy`: where `LOOP_COPY_BYTES` belongs. */
function copySubject(name: string, bytes: number, loop: boolean): Subject {
  const from = Buffer.alloc(READ_BYTES, 1)
  const to = Buffer.alloc(READ_BYTES)
  const times = 1_000
  const run = () => {
    for (let i = 0; i < times; i++) {
      const at = (i * 64) & 0x7fff
      if (loop) for (let j = 0; j < bytes; j++) to[at + j] = from[at + j]!
      else from.copy(to, at, at, at + bytes)
    }
  }
  return { name, run, frames: times, bytes: times * bytes }
}

/** 16 payloads and a flush, copied or by reference: where `REFERENCE_BYTES` belongs. */
function spanSubject(name: string, bytes: number, copied: boolean): Subject {
  const from = Buffer.alloc(17 * (bytes + 100), 1)
  const writer = new FrameWriter()
  const run = () => {
    for (let i = 0; i < 16; i++) {
      // A gap between them, so that they do not merge.
      const at = i * (bytes + 100)
      if (copied) writer.copySpan(from, at, at + bytes)
      else writer.forwardSpan(from, at, at + bytes)
    }
    writer.take()
    writer.reuse()
  }
  return { name, run, frames: 16, bytes: 16 * bytes }
}

const CALLS = 5_000
const BULK = 512
const small = smallCalls(CALLS)
const large = bulk(BULK)
const subjects: Subject[] = [
  readSubject('read, small calls', small, 3 * CALLS),
  readSubject('read, DATA of 16 KiB', large, BULK),
  forwardSubject('forward, small calls', small, 3 * CALLS, 'span'),
  forwardSubject('forward, DATA of 16 KiB, in place', large, BULK, 'span'),
  forwardSubject('forward, DATA of 16 KiB, in place, joined ones copied', large, BULK, 'copy-joined'),
  forwardSubject('forward, DATA of 16 KiB, all copied', large, BULK, 'copy'),
  ...[16, 32, 64, 128, 256].flatMap(bytes => [
    copySubject(`copy ${bytes} bytes, loop`, bytes, true),
    copySubject(`copy ${bytes} bytes, Buffer.copy`, bytes, false),
  ]),
  ...[4_096, 8_192, 16_384].flatMap(bytes => [
    spanSubject(`16 spans of ${bytes} bytes, copied`, bytes, true),
    spanSubject(`16 spans of ${bytes} bytes, by reference`, bytes, false),
  ]),
].filter(({ name }) => name.includes(process.argv[2] ?? ''))

/** Nanoseconds a run, over at least `ROUND_MS`. */
function time(subject: Subject): number {
  const start = performance.now()
  let [runs, elapsedMs] = [0, 0]
  for (; elapsedMs < ROUND_MS; elapsedMs = performance.now() - start) {
    for (let i = 0; i < 8; i++) subject.run()
    runs += 8
  }
  return (elapsedMs * 1e6) / runs
}

const times = subjects.map(() => [] as number[])
for (const subject of subjects) time(subject)
for (let round = 0; round < ROUNDS; round++)
  for (const [i, subject] of subjects.entries()) times[i]!.push(time(subject))

const at = (sorted: number[], part: number) => sorted[Math.floor(part * (sorted.length - 1))]!
console.log(`${process.version}, ${ROUNDS} rounds, median (quartiles)`)
for (const [i, { name, frames, bytes }] of subjects.entries()) {
  const sorted = times[i]!.sort((a, b) => a - b)
  const [low, median, high] = [0.25, 0.5, 0.75].map(part => at(sorted, part))
  const perFrame = [median, low, high].map(ns => (ns! / frames).toFixed(1))
  const rate = ((frames / median!) * 1e3).toFixed(2)
  console.log(
    `${name.padEnd(54)} ${perFrame[0]!.padStart(8)} ns a frame (${perFrame[1]}–${perFrame[2]})`,
    `${rate.padStart(8)} M frames/s ${(bytes / median!).toFixed(2).padStart(8)} GB/s`,
  )
}
