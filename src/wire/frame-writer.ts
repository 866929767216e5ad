/**
 * Frames in, spans of bytes out: what one connection has to send, gathered until its flush.
 *
 * ```
 *   output buffer   | head data head data head | . . . | head | . . . |     ours, reused
 *   references                                 [ a span ]      [ a span ]  the caller's, not copied
 *   take()          1───────────────────────── 2─────── 3──── 4───────    in this order
 * ```
 *
 * The round of a buffer: frames are written → `take()` hands out the spans → the caller writes them to
 * the socket → once the socket has taken every byte of every span ever taken (`writableLength === 0`),
 * the caller says `reuse()`, and the same memory is written again. Until then frames go behind what was
 * taken, so that a slow socket keeps only the bytes that it has not sent, not one buffer for each flush.
 *
 * The writer keeps frames in the order of the calls. It knows no stream states and no windows.
 */
import {
  CLIENT_PREFACE,
  copyBytes,
  DEFAULT_MAX_FRAME_SIZE,
  Flag,
  FrameType,
  HEAD_BYTES,
  MAX_31_BIT,
  writeHead,
  writeUint16,
  writeUint32,
} from './frame.ts'
import { NO_BYTES } from './no-bytes.ts'
import { SETTING_BYTES, type SettingEntries } from './settings.ts'

/** The size of one output buffer: about 500 small calls a flush. A flush that needs more takes another buffer. */
export const OUTPUT_BYTES = 65_536

/**
 * From this many bytes on a payload is sent in place. Copying 4 KiB costs about 200 ns
 * (bench/micro/frames.ts), a span of its own about 70 ns here, and then one more chunk in the socket's writev.
 */
export const REFERENCE_BYTES = 4_096

/** Full buffers that one writer remembers until `reuse`; further ones are left to the garbage collector. */
const MAX_FULL = 4

/**
 * Output buffers that no writer uses now. Shared by all connections: an idle one holds none.
 * At most `maxFree` are kept; 16 are 1 MiB, more than one turn of the loop flushes at a time.
 */
export class OutputPool {
  readonly #free: Buffer[] = []
  readonly #maxFree: number

  constructor(maxFree = 16) {
    this.#maxFree = maxFree
  }

  get free(): number {
    return this.#free.length
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(OUTPUT_BYTES)
  }

  give(buffer: Buffer): void {
    if (buffer.length === OUTPUT_BYTES && this.#free.length < this.#maxFree) this.#free.push(buffer)
  }
}

const SHARED_POOL = new OutputPool()

/** Frames that one connection has yet to send, in the order of the calls. Only `windowUpdate` is checked. */
export class FrameWriter {
  /** The peer's SETTINGS_MAX_FRAME_SIZE: longer payloads are split. Only `forwardSpan` does not check this. */
  maxFrameSize = DEFAULT_MAX_FRAME_SIZE
  readonly #pool: OutputPool
  /** The output buffer: `[0..#runFrom)` is in a span or taken, `[#runFrom..#at)` will be one. */
  #out = NO_BYTES
  #runFrom = 0
  #at = 0
  /** Spans closed since the last `take`. */
  #spanBytes: Buffer[] = []
  #spanFrom: number[] = []
  #spanTo: number[] = []
  /** Bytes in them, without the open run. */
  #closedBytes = 0
  /** Buffers that were filled and that the socket still reads. */
  readonly #full: Buffer[] = []

  constructor(pool: OutputPool = SHARED_POOL) {
    this.#pool = pool
  }

  /** Bytes that `take` would hand out. */
  get pendingBytes(): number {
    return this.#closedBytes + this.#at - this.#runFrom
  }

  /**
   * Everything written since the last call, in order; empty when there is nothing. Ours are valid, and
   * those that were given by reference must stay as they are, until the socket has sent them.
   */
  take(): Buffer[] {
    this.#closeRun()
    const spans = this.#spanBytes
    for (let i = 0; i < spans.length; i++) {
      const bytes = spans[i]!
      const from = this.#spanFrom[i]!
      const to = this.#spanTo[i]!
      if (from > 0 || to < bytes.length) spans[i] = bytes.subarray(from, to)
    }
    this.#spanBytes = []
    this.#spanFrom.length = this.#spanTo.length = this.#closedBytes = 0
    return spans
  }

  /**
   * The socket has taken all bytes of all spans that `take` ever returned: their memory is free. When it is called too
   * early, later frames overwrite frames that are not sent yet. It has no effect while there are frames that
   * were not taken: the next round frees the memory.
   */
  reuse(): void {
    if (this.#closedBytes > 0 || this.#at > this.#runFrom) return
    for (let full = this.#full.pop(); full !== undefined; full = this.#full.pop()) this.#pool.give(full)
    this.#pool.give(this.#out)
    this.#out = NO_BYTES
    this.#at = this.#runFrom = 0
  }

  /** Forgets what was written and not taken: the connection is gone. The memory is freed by `reuse`, or collected. */
  discard(): void {
    this.#spanBytes = []
    this.#spanFrom.length = this.#spanTo.length = this.#closedBytes = 0
    this.#runFrom = this.#at
  }

  /** §3.4: a client's first bytes; SETTINGS must follow. */
  preface(): void {
    const at = this.#claim(CLIENT_PREFACE.length)
    copyBytes(this.#out, at, CLIENT_PREFACE, 0, CLIENT_PREFACE.length)
  }

  /**
   * DATA with `bytes[start..end)`, which is copied before the call returns, so the caller may reuse it at once.
   * An empty range is an empty frame.
   */
  data(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean): void {
    for (let from = start; ; ) {
      const to = Math.min(end, from + this.maxFrameSize)
      const flags = endStream && to === end ? Flag.END_STREAM : Flag.NONE
      this.#head(to - from, FrameType.DATA, flags, streamId)
      this.#copy(bytes, from, to)
      if (to === end) return
      from = to
    }
  }

  /**
   * The same, but a range of at least `REFERENCE_BYTES` is not copied: `bytes[start..end)` must not
   * change until the socket has sent it (when one may say `reuse`).
   * @returns whether the range is kept by reference
   */
  dataByReference(streamId: number, bytes: Buffer, start: number, end: number, endStream: boolean): boolean {
    if (end - start < REFERENCE_BYTES) {
      this.data(streamId, bytes, start, end, endStream)
      return false
    }
    for (let from = start; from < end; ) {
      const to = Math.min(end, from + this.maxFrameSize)
      const flags = endStream && to === end ? Flag.END_STREAM : Flag.NONE
      this.#head(to - from, FrameType.DATA, flags, streamId)
      this.#reference(bytes, from, to)
      from = to
    }
    return true
  }

  /**
   * Whole frames in `bytes[from..to)` with their heads, which were received and got new heads in place
   * (`rewriteHead`). They are kept by reference if they are long, or begin where the last span ended: neighbours in one
   * buffer become one span. A payload over the peer's `maxFrameSize` must not come this way.
   * @returns whether they are kept by reference: then they must not change until the socket has sent them
   */
  forwardSpan(bytes: Buffer, from: number, to: number): boolean {
    const last = this.#spanBytes.length - 1
    if (last >= 0 && this.#spanBytes[last] === bytes && this.#spanTo[last] === from && this.#at === this.#runFrom) {
      this.#spanTo[last] = to
      this.#closedBytes += to - from
      return true
    }
    if (to - from < REFERENCE_BYTES) {
      this.#copy(bytes, from, to)
      return false
    }
    this.#reference(bytes, from, to)
    return true
  }

  /** The same, always copied: for bytes that do not live long enough. */
  copySpan(bytes: Buffer, from: number, to: number): void {
    this.#copy(bytes, from, to)
  }

  /** HEADERS with the field block `block[start..end)`, copied, and CONTINUATION as the peer's limit requires. */
  headers(streamId: number, block: Buffer, start: number, end: number, endStream: boolean): void {
    const at = this.reserveHeaders(end - start)
    copyBytes(this.#out, at, block, start, end)
    this.commitHeaders(streamId, at + end - start, endStream)
  }

  /**
   * Room for a field block of up to `maxBytes` in `buffer`, from the offset returned, so that an encoder
   * writes where the bytes go out. `commitHeaders` must follow before any other call.
   */
  reserveHeaders(maxBytes: number): number {
    // Each frame has one head.
    const more = maxBytes > this.maxFrameSize ? Math.floor(maxBytes / this.maxFrameSize) : 0
    this.#ensure(maxBytes + HEAD_BYTES * (1 + more))
    return this.#at + HEAD_BYTES
  }

  /** Where `reserveHeaders` made room. Valid until the next call of any method but `commitHeaders`. */
  get buffer(): Buffer {
    return this.#out
  }

  /** The block was written up to `end` (exclusive): makes it HEADERS and, where it is too long, CONTINUATION. */
  commitHeaders(streamId: number, end: number, endStream: boolean): void {
    const out = this.#out
    const head = this.#at
    const length = end - head - HEAD_BYTES
    const stream = endStream ? Flag.END_STREAM : Flag.NONE
    if (length <= this.maxFrameSize) {
      writeHead(out, head, length, FrameType.HEADERS, Flag.END_HEADERS | stream, streamId)
      this.#at = end
      return
    }
    // From the last fragment on, each moves behind to make room for the heads before it.
    const last = Math.ceil(length / this.maxFrameSize) - 1
    for (let i = last; i >= 0; i--) {
      const from = head + HEAD_BYTES + i * this.maxFrameSize
      const to = Math.min(end, from + this.maxFrameSize)
      const at = from - HEAD_BYTES + i * HEAD_BYTES
      out.copyWithin(at + HEAD_BYTES, from, to)
      const type = i === 0 ? FrameType.HEADERS : FrameType.CONTINUATION
      const flags = (i === 0 ? stream : Flag.NONE) | (i === last ? Flag.END_HEADERS : Flag.NONE)
      writeHead(out, at, to - from, type, flags, streamId)
    }
    this.#at = end + last * HEAD_BYTES
  }

  /** `code`: an `ErrorCode`, or any 32 bits. */
  rstStream(streamId: number, code: number): void {
    const at = this.#frame(4, FrameType.RST_STREAM, Flag.NONE, streamId)
    writeUint32(this.#out, at, code)
  }

  /** The entries as they are, in their order; no value is checked. */
  settings(entries: SettingEntries): void {
    let at = this.#frame(entries.length * SETTING_BYTES, FrameType.SETTINGS, Flag.NONE, 0)
    for (const [id, value] of entries) {
      writeUint16(this.#out, at, id)
      writeUint32(this.#out, at + 2, value)
      at += SETTING_BYTES
    }
  }

  settingsAck(): void {
    this.#frame(0, FrameType.SETTINGS, Flag.ACK, 0)
  }

  /** The eight opaque bytes at `from`, copied. */
  ping(bytes: Buffer, from: number, ack: boolean): void {
    const at = this.#frame(8, FrameType.PING, ack ? Flag.ACK : Flag.NONE, 0)
    copyBytes(this.#out, at, bytes, from, from + 8)
  }

  /** `debug`: text for the peer's log, copied; at most 1,024 bytes of it go out. */
  goaway(lastStreamId: number, code: number, debug: Buffer = NO_BYTES): void {
    const length = Math.min(debug.length, 1_024)
    const at = this.#frame(8 + length, FrameType.GOAWAY, Flag.NONE, 0)
    writeUint32(this.#out, at, lastStreamId)
    writeUint32(this.#out, at + 4, code)
    copyBytes(this.#out, at + 8, debug, 0, length)
  }

  /** `streamId` 0: the connection's window. Throws a `RangeError` for an increment that §6.9 forbids. */
  windowUpdate(streamId: number, increment: number): void {
    if (!(increment >= 1 && increment <= MAX_31_BIT)) throw new RangeError(`a window cannot grow by ${increment}`)
    const at = this.#frame(4, FrameType.WINDOW_UPDATE, Flag.NONE, streamId)
    writeUint32(this.#out, at, increment)
  }

  #head(length: number, type: number, flags: number, streamId: number): void {
    const at = this.#claim(HEAD_BYTES)
    writeHead(this.#out, at, length, type, flags, streamId)
  }

  /** A head, and room for the payload; returns where it goes. */
  #frame(length: number, type: number, flags: number, streamId: number): number {
    const at = this.#claim(HEAD_BYTES + length)
    writeHead(this.#out, at, length, type, flags, streamId)
    return at + HEAD_BYTES
  }

  /** `bytes` more of the output buffer, in one piece. */
  #claim(bytes: number): number {
    this.#ensure(bytes)
    const at = this.#at
    this.#at += bytes
    return at
  }

  #ensure(bytes: number): void {
    if (this.#at + bytes > this.#out.length) this.#nextBuffer(bytes)
  }

  #nextBuffer(bytes: number): void {
    this.#closeRun()
    if (this.#out.length === OUTPUT_BYTES && this.#full.length < MAX_FULL) this.#full.push(this.#out)
    this.#out = bytes <= OUTPUT_BYTES ? this.#pool.take() : Buffer.allocUnsafeSlow(bytes)
    this.#at = this.#runFrom = 0
  }

  /** Copies behind what there is, over as many buffers as it takes. */
  #copy(bytes: Buffer, start: number, end: number): void {
    while (start < end) {
      this.#ensure(1)
      const to = Math.min(end, start + this.#out.length - this.#at)
      copyBytes(this.#out, this.#at, bytes, start, to)
      this.#at += to - start
      start = to
    }
  }

  #reference(bytes: Buffer, from: number, to: number): void {
    this.#closeRun()
    this.#addSpan(bytes, from, to)
  }

  #closeRun(): void {
    if (this.#at === this.#runFrom) return
    this.#addSpan(this.#out, this.#runFrom, this.#at)
    this.#runFrom = this.#at
  }

  #addSpan(bytes: Buffer, from: number, to: number): void {
    this.#spanBytes.push(bytes)
    this.#spanFrom.push(from)
    this.#spanTo.push(to)
    this.#closedBytes += to - from
  }
}
