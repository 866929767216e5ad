/**
 * Which streams hold what came for too long, from one look to the next. Progress is what went on to a stream's consumer,
 * released or not: owners may release all at the end of a queue.
 */
import type { WireStream } from './stream.ts'

/** Who passes on less than this part of what waited at the one look until the next is overdue. */
const LEAST_PASSED_ON = 1 / 16

/** How a stream was found. */
interface Mark {
  /** Bytes that had gone on to its consumer. */
  readonly passedOn: number
  /** … and that waited for it. */
  readonly waiting: number
}

export class SlowReaders {
  #marks = new WeakMap<WireStream, Mark>()

  /** The one look. */
  mark(streams: readonly WireStream[]): void {
    this.#marks = new WeakMap(streams.map(stream => [stream, markOf(stream)]))
  }

  /**
   * The next. @returns those that were marked and passed on almost nothing since, that hold most first, and half of
   * `heldBytes`
   */
  overdue(streams: readonly WireStream[], heldBytes: number): WireStream[] {
    const idle = streams
      .filter(stream => {
        const mark = this.#marks.get(stream)
        return mark !== undefined && markOf(stream).passedOn - mark.passedOn < mark.waiting * LEAST_PASSED_ON
      })
      .sort((a, b) => b.receiveWindow.held - a.receiveWindow.held)
    let [count, held] = [0, 0]
    for (; count < idle.length && held * 2 < heldBytes; count++) held += idle[count]!.receiveWindow.held
    return idle.slice(0, count)
  }
}

function markOf({ receivedBytes, receiveWindow: { held }, owner }: WireStream): Mark {
  const waiting = Math.min(held, owner.waitingBytes ?? held)
  return { passedOn: receivedBytes - waiting, waiting }
}
