/** A file that a log goes to, and that is rotated by a library, which is loaded with the first line. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { RotatingFileStream } from 'rotating-file-stream'
import type { LogSink, WriteDone } from './log-sink.ts'

/** When there is a new file, and how many old ones are kept: `log` is followed by `log.1`, `log.2` and so on. */
export interface Rotation {
  readonly maxBytes: number
  /** Also when an hour or a day of the clock has passed. */
  readonly every?: 'hour' | 'day' | undefined
  readonly keep: number
  /** Old ones become `log.1.gz` and so on. */
  readonly compress: boolean
}

export class RotatingSink implements LogSink {
  /** A write that fails says nothing of its parts. */
  readonly maxPieces = 1
  readonly #path: string
  readonly #mode: number
  readonly #rotation: Rotation
  #stream: Promise<RotatingFileStream> | undefined

  constructor(path: string, mode: number, rotation: Rotation) {
    this.#path = path
    this.#mode = mode
    this.#rotation = rotation
  }

  write([piece]: readonly Buffer[], done: WriteDone): void {
    this.#stream ??= this.#open()
    this.#stream.then(
      stream => stream.write(piece!, error => (error ? done(error, 0) : done(null, piece!.length))),
      (error: Error) => {
        this.#stream = undefined
        done(error, 0)
      },
    )
  }

  async #open(): Promise<RotatingFileStream> {
    const { createStream } = await import('rotating-file-stream')
    const { maxBytes, every, keep, compress } = this.#rotation
    const stream = createStream(basename(this.#path), {
      ...{ path: dirname(this.#path), mode: this.#mode, size: `${maxBytes}B`, rotate: keep },
      ...(every !== undefined && { interval: every === 'hour' ? '1h' : '1d' }),
      ...(compress && { compress: 'gzip' }),
    })
    // Once it has failed it takes nothing more: the next write has another.
    stream.on('error', () => {
      this.#stream = undefined
    })
    return stream
  }

  /** At the end of the process, when nothing rotates any more. */
  writeSync(piece: Buffer): number {
    const fd = openSync(this.#path, 'a', this.#mode)
    try {
      return writeSync(fd, piece)
    } finally {
      closeSync(fd)
    }
  }

  reopen(done: (error?: Error) => void): void {
    const stream = this.#stream
    this.#stream = undefined
    if (stream === undefined) return done()
    stream.then(
      open => open.end(() => done()),
      () => done(),
    )
  }
}
