/** Where the bytes of a log go: a descriptor of this process, which may take them slowly or not at all. */
import { constants, fstatSync, openSync, writeSync, writev } from 'node:fs'
import { Socket } from 'node:net'
import { isatty } from 'node:tty'

/** Hears how many bytes were taken, or why none were. */
export type WriteDone = (error: NodeJS.ErrnoException | null, taken: number) => void

export interface LogSink {
  /** How many pieces it takes at a time. */
  readonly maxPieces: number
  /** Offers pieces in their order; `done` is called once, at once or later. Until then their bytes must not change. */
  write(pieces: readonly Buffer[], done: WriteDone): void
  /** @returns how many bytes were taken. @throws the system's error */
  writeSync(piece: Buffer): number
}

/** A turn of the event loop may log some hundred KiB, and a thread is done with one write a turn. */
export const MAX_PIECES = 64

/**
 * Pipes, sockets and terminals block while nobody reads, so they are written in non-blocking mode: a write that blocks
 * would hold the process, or a thread of libuv for which the exit of the process waits. Files take what they are given
 * or say why not, but may wait for a disk: a thread waits for that.
 */
export function openSink(fd: number): LogSink {
  const open = withoutBlocking(fd)
  const writeNow = (piece: Buffer) => writeSync(open ?? fd, piece)
  if (open === undefined) {
    return { maxPieces: MAX_PIECES, write: (pieces, done) => writev(fd, pieces, done), writeSync: writeNow }
  }
  return {
    // One write each: as long as a piece is no longer than PIPE_BUF, it goes whole or not at all.
    maxPieces: 1,
    writeSync: writeNow,
    write([piece], done) {
      let taken: number
      try {
        taken = writeNow(piece!)
      } catch (error) {
        return done(error as NodeJS.ErrnoException, 0)
      }
      done(null, taken)
    },
  }
}

/** What made descriptors non-blocking, for as long as the process lives. */
const holders: Socket[] = []
const nonBlocking: number[] = []

function setNonBlocking(fd: number): void {
  // libuv sets the mode when it opens the descriptor, and Node sets it back as it ends.
  holders.push(new Socket({ fd, readable: false, writable: true }))
}

/** Once more, when another process has ended that has the same pipes: it has set the mode back for both. */
export function setNonBlockingAgain(): void {
  for (const fd of nonBlocking) setNonBlocking(fd)
}

/** @returns a descriptor of the same file, in non-blocking mode; undefined for files, and where there is no way to it */
function withoutBlocking(fd: number): number | undefined {
  try {
    const stats = fstatSync(fd)
    if (stats.isFIFO() || stats.isSocket()) {
      setNonBlocking(fd)
      nonBlocking.push(fd)
      return fd
    }
    // A mode set on the terminal itself would be that of the shell too. Linux gives a description of its own.
    if (isatty(fd))
      return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    // No /proc, or a kind of socket that libuv does not know: written by a thread.
  }
  return undefined
}
