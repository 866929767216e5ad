/**
 * A file that a log goes to. It may be moved while it is open, which is how logrotate works: then it is opened anew. It
 * may be a named pipe as well, which is written as long as somebody reads.
 */
import { close, closeSync, constants, fstatSync, open, openSync, writeSync, writev } from 'node:fs'
import { type LogSink, MAX_PIECES, type WriteDone } from './log-sink.ts'

/** O_NONBLOCK: a named pipe without a reader is an error at once, and a full one is too. Files do not care. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY

export class FileSink implements LogSink {
  readonly #path: string
  readonly #mode: number
  #fd: number | undefined
  #isFile = true
  /** A thread writes. */
  #writing = false
  /** It has been opened anew, and takes the place of the one that is being written. */
  #next: number | undefined

  constructor(path: string, mode: number) {
    this.#path = path
    this.#mode = mode
  }

  get maxPieces(): number {
    return this.#isFile ? MAX_PIECES : 1
  }

  write(pieces: readonly Buffer[], done: WriteDone): void {
    if (this.#fd !== undefined) return this.#write(this.#fd, pieces, done)
    // A thread opens it: the disk may be slow.
    open(this.#path, FLAGS, this.#mode, (error, fd) => {
      if (error !== null) return done(error, 0)
      this.#use(fd)
      this.#write(fd, pieces, done)
    })
  }

  #write(fd: number, pieces: readonly Buffer[], done: WriteDone): void {
    if (this.#isFile) {
      this.#writing = true
      return writev(fd, pieces, (error, taken) => {
        this.#writing = false
        this.#swap()
        done(error, error === null ? taken : 0)
      })
    }
    let taken: number
    try {
      taken = writeSync(fd, pieces[0]!)
    } catch (error) {
      this.#lose(error as NodeJS.ErrnoException)
      return done(error as NodeJS.ErrnoException, 0)
    }
    done(null, taken)
  }

  /** A pipe whose reader has gone is opened again, which fails until there is another. */
  #lose({ code }: NodeJS.ErrnoException): void {
    if (code === 'EAGAIN') return
    closeSync(this.#fd!)
    this.#fd = undefined
  }

  writeSync(piece: Buffer): number {
    if (this.#fd === undefined) this.#use(openSync(this.#path, FLAGS, this.#mode))
    return writeSync(this.#fd!, piece)
  }

  #use(fd: number): void {
    this.#fd = fd
    this.#isFile = fstatSync(fd).isFile()
  }

  /** The one that is open stays where there is no other. */
  reopen(done: (error?: Error) => void): void {
    open(this.#path, FLAGS, this.#mode, (error, fd) => {
      if (error !== null) return done(error)
      if (this.#next !== undefined) closeSync(this.#next)
      this.#next = fd
      if (!this.#writing) this.#swap()
      done()
    })
  }

  #swap(): void {
    if (this.#next === undefined) return
    const before = this.#fd
    this.#use(this.#next)
    this.#next = undefined
    if (before !== undefined) close(before, () => {})
  }
}
