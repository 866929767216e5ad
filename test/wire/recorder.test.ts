/** A handler that writes down what a reader told it, for the tests beside this one. */
import t from 'tap'
import type { FrameHandler } from '../../src/wire/frame.ts'
import { FrameReader } from '../../src/wire/frame-reader.ts'
import type { FrameReaderOptions } from '../../src/wire/frame-reader-options.ts'
import { ConnectionError, type StreamError } from '../../src/wire/protocol-error.ts'
import { Work } from '../../src/wire/work.ts'
import { FrameType, PREFACE, writeFrame } from '../support/frames.ts'

export type Event = readonly (string | number | boolean)[]

const hex = (bytes: Buffer, start: number, end: number) => bytes.toString('hex', start, end)

/** One line an event; every range is copied, and its place is checked against the frame's head. */
export class Recorder implements FrameHandler {
  readonly events: Event[] = []

  onData(id: number, bytes: Buffer, start: number, end: number, flow: number, endStream: boolean, headAt: number) {
    const consistent =
      bytes.readUIntBE(headAt, 3) === flow &&
      bytes[headAt + 3] === FrameType.DATA &&
      (bytes.readUInt32BE(headAt + 5) & 0x7fffffff) === id &&
      start >= headAt + 9 &&
      end <= headAt + 9 + flow
    this.events.push(['data', id, hex(bytes, start, end), flow, endStream, consistent])
    // What a handler may do: the whole frame is its to overwrite.
    bytes.fill(0xee, headAt, headAt + 9 + flow)
  }
  onHeaders(id: number, bytes: Buffer, start: number, end: number, endStream: boolean) {
    this.events.push(['headers', id, hex(bytes, start, end), endStream])
  }
  onRstStream(id: number, code: number) {
    this.events.push(['rst', id, code])
  }
  onSettings(bytes: Buffer, start: number, end: number) {
    this.events.push(['settings', hex(bytes, start, end)])
  }
  onSettingsAck() {
    this.events.push(['settings-ack'])
  }
  onPing(bytes: Buffer, at: number, ack: boolean) {
    this.events.push(['ping', hex(bytes, at, at + 8), ack])
  }
  onGoaway(last: number, code: number, bytes: Buffer, start: number, end: number) {
    this.events.push(['goaway', last, code, hex(bytes, start, end)])
  }
  onWindowUpdate(id: number, increment: number) {
    this.events.push(['window', id, increment])
  }
  onPriority(id: number) {
    this.events.push(['priority', id])
  }
  onPushPromise(id: number, promised: number, bytes: Buffer, start: number, end: number) {
    this.events.push(['push', id, promised, hex(bytes, start, end)])
  }
  onUnknown(type: number, id: number, length: number) {
    this.events.push(['unknown', type, id, length])
  }
  onStreamError(error: StreamError, flow: number) {
    this.events.push(['stream-error', error.streamId, error.code, error.token, flow])
  }
}

/** The least that comes before any other frame. */
export function beginning(role: 'server' | 'client'): Buffer {
  const settings = writeFrame({ type: FrameType.SETTINGS, flags: 0, streamId: 0, payload: Buffer.alloc(0) })
  return role === 'server' ? Buffer.concat([PREFACE, settings]) : settings
}

export type Options = Partial<FrameReaderOptions> & { readonly pushEnabled?: boolean }

/** The part of a tap test that this needs. */
interface Scope {
  pass(message: string): unknown
  same(found: unknown, wanted: unknown, message: string): unknown
}

export interface Outcome {
  readonly events: readonly Event[]
  /** Its token; undefined when nothing was thrown. */
  readonly error: ConnectionError | undefined
  readonly heldBytes: number
}

/** As far as one unit of work goes, again and again: a frame at a time. */
function readInTurns(reader: FrameReader, chunk: Buffer): void {
  for (let at = 0, units = 1; at < chunk.length; ) {
    reader.work.left = units
    const next = reader.read(chunk, chunk.length, at)
    units = next > at ? 1 : units * 2
    at = next
  }
}

/**
 * What a new reader makes of `chunks`. They are copied first: a handler overwrites what it is given.
 * With `work` it has some for a frame at a time.
 */
export function readAll(chunks: readonly Buffer[], options: Options = {}): Outcome {
  const recorder = new Recorder()
  const reader = new FrameReader(recorder, { role: 'server', ...options })
  reader.pushEnabled = options.pushEnabled ?? false
  let error: ConnectionError | undefined
  try {
    for (const chunk of chunks) {
      if (options.work !== undefined) readInTurns(reader, Buffer.from(chunk))
      else reader.read(Buffer.from(chunk))
    }
  } catch (thrown) {
    if (!(thrown instanceof ConnectionError)) throw thrown
    error = thrown
    reader.read(Buffer.from(chunks.at(-1)!))
  }
  return { events: recorder.events, error, heldBytes: reader.heldBytes }
}

/** The input in two pieces at each place, and byte by byte. */
export function* splits(input: Buffer): Generator<[where: string, chunks: Buffer[]]> {
  for (let at = 1; at < input.length; at++) yield [`split at ${at}`, [input.subarray(0, at), input.subarray(at)]]
  yield ['byte by byte', [...input].map(byte => Buffer.from([byte]))]
}

/** `readAll` of the input whole, after checking that each split of it gives the same. */
export function readSplit(t: Scope, input: Buffer, options: Options = {}): Outcome {
  const whole = readAll([input], options)
  const expected = JSON.stringify([whole.events, whole.error?.token])
  for (const [where, chunks] of splits(input)) {
    for (const work of [undefined, new Work()]) {
      const got = readAll(chunks, { ...options, work })
      const same = JSON.stringify([got.events, got.error?.token]) === expected
      if (!same) t.same([got.events, got.error?.token], [whole.events, whole.error?.token], where)
    }
  }
  t.pass(`${input.length} splits`)
  return whole
}

t.test('the recorder tells the same whole and in pieces', async t => {
  const { events, error } = readSplit(t, beginning('server'))
  t.same(events, [['settings', '']])
  t.equal(error, undefined)
})
