/**
 * Where log lines go before they are written: a buffer with a bound. Whatever becomes of the other end (a full disk, a
 * pipe that nobody reads, a terminal that is stopped), a line costs the proxy memory up to the bound and no more, then
 * lines are dropped and counted; nothing waits, but for a moment of its own choosing.
 *
 *   write ──► block of 4 KiB ──full, or a second old──► blocks that wait ──one write at a time──► sink
 *                   └── none left: the line is dropped and counted, and so on until half of them are written
 */
import type { DestinationStream } from 'pino'
import type { Clock, Timer } from '../transport/clock.ts'
import type { LogSink } from './log-sink.ts'

/**
 * A write a line would cost more than the line. Not larger: to a pipe that many bytes go whole or not at all (PIPE_BUF
 * of Linux), so that lines of several processes on one pipe do not mix.
 */
const BLOCK_BYTES = 4_096
/** A line waits no longer than this for its block to fill. */
const FLUSH_MS = 1_000
/**
 * Some 12,000 lines of calls: a reader or a disk may stop for a fifth of a second of a core's full load, or for ten
 * minutes of 20 calls a second, and nothing is lost; it is little beside what a proxy takes.
 */
export const MAX_BUFFERED_BYTES = 4_194_304
/** A reader that is only slow takes its next 64 KiB soon; one that stopped costs ten looks a second. */
const FULL_WAIT = { firstMs: 1, mostMs: 100 }
/** Disks are made room on by people, and readers of named pipes are started by them. */
const ERROR_WAIT = { firstMs: 100, mostMs: 5_000 }

/** A piece of the buffer; its bytes from `start` to `end` are not written yet. */
interface Block {
  readonly bytes: Buffer
  start: number
  end: number
}

export interface LogDestinationOwner {
  /** The first trouble of all: lines are, or soon will be, dropped. Without an error: nobody reads them. */
  onTrouble(error?: Error): void
  /** Lines are taken again. @returns whether that was told; if not, the number comes again, with those to come */
  onResumed(dropped: number): boolean
}

export class LogDestination implements DestinationStream {
  /** At most as much is held; may be raised. */
  maxBufferedBytes: number
  readonly #sink: () => LogSink
  readonly #clock: Clock
  readonly #owner: LogDestinationOwner
  /** Being filled. */
  #block: Block | undefined
  /** Full, the oldest first. */
  readonly #waiting: Block[] = []
  /** Written, and as good as new. */
  #spare: Block | undefined
  /** Sizes of the block being filled and of those that wait. */
  #heldBytes = 0
  #flushTimer: Timer | undefined
  #retryTimer: Timer | undefined
  #retryMs = 0
  /** How many of the blocks that wait the sink has now; they are the first. */
  #offered = 0
  #pumping = false
  /** The block that is being filled goes out as it is, as soon as it can: not sooner, or many would hold few lines. */
  #flushing = false
  /** Why the last write failed, where it was not for want of a reader. */
  #error: Error | undefined
  #troubled = false
  #dropping = false
  #dropped = 0
  #untold = 0
  #whenFlushed: ((error?: Error) => void)[] = []

  /** @param sink made when there is something to write */
  constructor(sink: () => LogSink, clock: Clock, owner: LogDestinationOwner, maxBufferedBytes: number) {
    this.maxBufferedBytes = maxBufferedBytes
    let opened: LogSink | undefined
    this.#sink = () => (opened ??= sink())
    this.#clock = clock
    this.#owner = owner
  }

  /** Lines that were not and will not be written, since the beginning. */
  get droppedLines(): number {
    return this.#dropped
  }

  /** @param line with its newline at the end. Control characters that JSON leaves as they are become `\u00xx` */
  write(line: string): void {
    if (this.#dropping && !this.#resume()) return this.#drop()
    const { length } = line
    const block = this.#blockFor(length + LONGEST_CHARACTER_BYTES)
    if (block === undefined) return this.#drop()
    const taken = block.bytes.write(line, block.end, 'utf8')
    // As many bytes as characters, and none left out for want of room: all ASCII. JSON has escaped what is below space.
    if (taken === length && !line.includes(DELETE)) block.end += length
    else if (!this.#append(escapeControls(line))) return this.#drop()
    this.#flushTimer ??= this.#clock.after(FLUSH_MS, this.#flushDue)
  }

  /** @returns false when there is no room */
  #append(text: string): boolean {
    const block = this.#blockFor(Buffer.byteLength(text))
    if (block === undefined) return false
    block.end += block.bytes.write(text, block.end, 'utf8')
    return true
  }

  /** The block that is being filled, if it has room; else the next. */
  #blockFor(bytes: number): Block | undefined {
    // Whoever hears of a flush may log: then there is one again.
    while (this.#block !== undefined) {
      if (this.#block.bytes.length - this.#block.end >= bytes) return this.#block
      this.#seal()
      this.#pump()
    }
    const size = Math.max(BLOCK_BYTES, bytes)
    if (this.#heldBytes + size > this.maxBufferedBytes) return undefined
    this.#heldBytes += size
    const spare = size === BLOCK_BYTES ? this.#spare : undefined
    if (spare !== undefined) this.#spare = undefined
    this.#block = spare ?? { bytes: Buffer.allocUnsafeSlow(size), start: 0, end: 0 }
    return this.#block
  }

  #seal(): void {
    const block = this.#block
    if (block === undefined) return
    this.#block = undefined
    if (block.end > 0) this.#waiting.push(block)
    else this.#free(block)
  }

  #free(block: Block): void {
    this.#heldBytes -= block.bytes.length
    if (block.bytes.length !== BLOCK_BYTES) return
    block.start = block.end = 0
    this.#spare = block
  }

  readonly #flushDue = (): void => {
    this.#flushTimer = undefined
    this.flush()
  }

  /** @param done when all that was given is written, or with the error because of which it cannot be */
  flush(done?: (error?: Error) => void): void {
    if (done !== undefined) this.#whenFlushed.push(done)
    this.#flushing = true
    this.#pump()
  }

  #pump(): void {
    // A sink that is done at once comes back here.
    if (this.#pumping) return
    this.#pumping = true
    while (this.#offered === 0 && this.#retryTimer === undefined && this.#hasMore()) {
      const sink = this.#sink()
      const pieces = this.#waiting.slice(0, sink.maxPieces).map(pieceOf)
      this.#offered = pieces.length
      sink.write(pieces, this.#onWritten)
    }
    this.#pumping = false
    if (this.#waiting.length === 0 || this.#error !== undefined) this.#flushed()
  }

  #hasMore(): boolean {
    if (this.#waiting.length === 0 && this.#flushing) {
      this.#flushing = false
      this.#seal()
    }
    return this.#waiting.length > 0
  }

  #flushed(): void {
    if (this.#whenFlushed.length === 0) return
    const heard = this.#whenFlushed
    this.#whenFlushed = []
    for (const done of heard) done(this.#error)
  }

  readonly #onWritten = (error: NodeJS.ErrnoException | null, taken: number): void => {
    this.#offered = 0
    if (taken > 0) this.#taken(taken)
    else this.#failed(error)
    this.#pump()
  }

  #taken(bytes: number): void {
    this.#error = undefined
    this.#retryMs = 0
    for (let left = bytes; left > 0; ) {
      const block = this.#waiting[0]!
      const part = Math.min(left, block.end - block.start)
      left -= part
      block.start += part
      if (block.start < block.end) return
      this.#waiting.shift()
      this.#free(block)
    }
  }

  /** Nothing is given up: what waits is tried again, and goes out once it can. */
  #failed(error: NodeJS.ErrnoException | null): void {
    const full = error === null || error.code === 'EAGAIN'
    const { firstMs, mostMs } = full ? FULL_WAIT : ERROR_WAIT
    if (!full) {
      this.#error = error
      this.#trouble(error)
    }
    this.#retryMs = Math.min(Math.max(firstMs, 2 * this.#retryMs), mostMs)
    this.#retryTimer = this.#clock.after(this.#retryMs, this.tryAgain)
  }

  /** Also called where there may be room again, so that nothing waits for its time. */
  readonly tryAgain = (): void => {
    this.#retryTimer?.cancel()
    this.#retryTimer = undefined
    this.#pump()
  }

  #trouble(error?: Error): void {
    if (this.#troubled) return
    this.#troubled = true
    this.#owner.onTrouble(error)
  }

  #drop(): void {
    this.#dropping = true
    this.#dropped++
    this.#untold++
    this.#trouble()
  }

  /** Not before half of the buffer is free: what is told of each gap is one line, not one for each few that fit. */
  #resume(): boolean {
    if (this.#heldBytes > this.maxBufferedBytes / 2) return false
    this.#dropping = false
    const lines = this.#untold
    this.#untold = 0
    if (!this.#owner.onResumed(lines)) this.#untold += lines
    return true
  }

  /** One try to write what there is, for a process that is about to end. Blocks that a thread has are the thread's. */
  flushSync(): void {
    this.#seal()
    const first = this.#offered
    try {
      while (this.#waiting.length > first) {
        const block = this.#waiting[first]!
        const taken = this.#sink().writeSync(pieceOf(block))
        if (taken === 0) return
        block.start += taken
        if (block.start < block.end) continue
        this.#waiting.splice(first, 1)
        this.#free(block)
      }
    } catch {
      // They stay where they are: there may be a later try.
    }
  }

  /** The process ends: what cannot be written now never will. @returns how many lines nobody was told of are lost */
  finish(): number {
    this.flushSync()
    let lost = 0
    // Nobody will hear what becomes of the blocks that a thread has now; as of the last that it had, it is likely.
    const written = this.#error === undefined ? this.#offered : 0
    for (const block of this.#waiting.splice(written)) lost += linesIn(pieceOf(block))
    this.#dropped += lost
    const untold = this.#untold + lost
    this.#untold = 0
    return untold
  }
}

function pieceOf({ bytes, start, end }: Block): Buffer {
  return bytes.subarray(start, end)
}

/** In UTF-8. */
const LONGEST_CHARACTER_BYTES = 4
const DELETE = '\x7f'

/**
 * What terminals obey beyond the escapes of JSON: DEL, the C1 control characters (U+009B begins a sequence as ESC [ does),
 * line separators, and what turns the direction of text, so that a line seems to say something else.
 */
function escapeControls(text: string): string {
  return text.replace(/[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, character => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

function linesIn(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++
  return lines
}
