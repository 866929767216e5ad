/** A request for a file of a folder, and its answer. It is no call: no gate is asked, and no backend hears of it. */
import { type RequestHead, readHead } from '../grpc/metadata.ts'
import { CALL_BYTES, type CallMemory } from '../transport/call-memory.ts'
import type { HeaderBlock, ServerSession, Stream } from '../transport/transport.ts'
import { ErrorCode } from '../wire/errors.ts'
import type { ByteRange } from './byte-range.ts'
import { fileHead, folderHead, plainHead } from './file-head.ts'
import { type Folder, type Found, type FoundFile, readPart } from './folder.ts'
import { ReadTurns } from './read-turns.ts'
import type { WebCall } from './web-call.ts'

export interface FileContext {
  readonly folder: Folder
  /** For what is read and waits for its reader. */
  readonly memory: CallMemory
  /** The folder is not there, or the machine fails. */
  readonly onFault: (error: unknown) => void
}

/** So much is read at a time, and the next when the client has taken it. */
const PART_BYTES = 65_536
/** What one such request holds at most. */
const HELD_BYTES = CALL_BYTES + PART_BYTES

/** The threads that read are those of the process. */
const turns = new ReadTurns()

export class FileAnswer implements WebCall {
  readonly #context: FileContext
  readonly #stream: Stream
  readonly #session: ServerSession
  #heldBytes = 0
  /** Undefined: the request has not begun. */
  #method: string | undefined
  #requestEnded = false
  #closed = false
  /** Waits until there is room for more. */
  #wake: (() => void) | undefined

  constructor(context: FileContext, stream: Stream, session: ServerSession) {
    this.#context = context
    this.#stream = stream
    this.#session = session
  }

  onHeaders(block: HeaderBlock, endStream: boolean): void {
    const { method, path } = this.#begin(block, endStream)
    if (!this.#context.memory.take(this.#session, HELD_BYTES)) return this.#say(503, BUSY)
    this.#heldBytes = HELD_BYTES
    this.#answer(block, method, path).catch((error: unknown) => {
      this.#context.onFault(error)
      this.#stream.reset(ErrorCode.INTERNAL_ERROR)
    })
  }

  onOversized(block: HeaderBlock, endStream: boolean): void {
    // The trailers of a request that is being answered.
    if (this.#method !== undefined) return this.onTrailers()
    this.#begin(block, endStream)
    this.#say(431, TOO_LARGE)
  }

  /** What such a request has besides its head is for nobody. */
  #begin(block: HeaderBlock, endStream: boolean): RequestHead {
    const head = readHead(block)
    this.#method = head.method
    this.#requestEnded = endStream
    if (!endStream) this.#stream.mute()
    return head
  }

  onData(_: Buffer, start: number, end: number, endStream: boolean): void {
    this.#requestEnded ||= endStream
    this.#stream.release(end - start)
  }

  onTrailers(): void {
    this.#requestEnded = true
  }

  onUnfit(): void {}

  onWritable(): void {
    this.#wake?.()
  }

  onClosed(): void {
    this.#closed = true
    turns.leave(this.#session, this)
    this.#context.memory.give(this.#session, this.#heldBytes)
    this.#wake?.()
  }

  async #answer(block: HeaderBlock, method: string, target: string): Promise<void> {
    const queryAt = target.indexOf('?')
    const path = queryAt < 0 ? target : target.slice(0, queryAt)
    const found = await this.#find(path)
    if (this.#closed || found === undefined) return
    if (found.kind === 'none') return this.#say(404, NOT_FOUND)
    if (found.kind === 'folder') return this.#headAlone(folderHead(path, target.slice(path.length)))
    const { block: head, body } = fileHead(block, method, found.file)
    if (body === undefined || body.start === body.end || method === 'HEAD') return this.#headAlone(head)
    await this.#send(head, found.file, body)
  }

  /** Undefined: it was answered that the file cannot be looked for. */
  async #find(path: string): Promise<Found | undefined> {
    try {
      return await this.#read(() => this.#context.folder.find(path))
    } catch (error) {
      this.#context.onFault(error)
      this.#say(503, FAILED)
      return undefined
    }
  }

  /** It does not resolve where the client leaves before it is its turn. */
  #read<Result>(read: () => Promise<Result>): Promise<Result> {
    return turns.in(this.#session, this, read)
  }

  /** The head waits for the first part: until then a failure can be told. */
  async #send(head: HeaderBlock, file: FoundFile, { start, end }: ByteRange): Promise<void> {
    for (let at = start; at < end; ) {
      const until = Math.min(at + PART_BYTES, end)
      const part = await this.#part(file, at, until)
      if (this.#closed) return
      if (part === undefined)
        return at === start ? this.#say(503, FAILED) : this.#stream.reset(ErrorCode.INTERNAL_ERROR)
      if (at === start) this.#stream.sendHeaders(head, false)
      at = until
      const hasRoom = this.#stream.sendData(part, 0, part.length, at === end)
      if (!hasRoom && at < end) await this.#room()
      if (this.#closed) return
    }
    this.#end()
  }

  async #part(file: FoundFile, start: number, end: number): Promise<Buffer | undefined> {
    try {
      return await this.#read(() => readPart(file, start, end))
    } catch (error) {
      this.#context.onFault(error)
      return undefined
    }
  }

  #room(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  #headAlone(head: HeaderBlock): void {
    this.#stream.sendHeaders(head, true)
    this.#end()
  }

  /** RFC 9110 §9.3.2: what answers HEAD "MUST NOT" have content, whatever it says. */
  #say(status: number, sentence: string): void {
    if (this.#method === 'HEAD') return this.#headAlone(plainHead(status, sentence))
    this.#stream.sendHeaders(plainHead(status, sentence), false)
    this.#stream.sendData(Buffer.from(sentence, 'latin1'), 0, sentence.length, true)
    this.#end()
  }

  /** RFC 9113 §8.1: a whole response may come before the whole request. */
  #end(): void {
    if (!this.#requestEnded) this.#stream.reset(ErrorCode.NO_ERROR)
  }
}

const NOT_FOUND = 'There is no such file.\n'
const BUSY = 'You read too many files at once.\n'
const FAILED = 'The file cannot be read now.\n'
const TOO_LARGE = 'The header fields of the request are too large.\n'
