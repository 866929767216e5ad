/**
 * Finds who holds received bytes for too long, from one look to the next: streams, and consumers, each of which may
 * have many streams. Progress is what went on to a consumer, released or not: owners may release all at the end of a
 * queue.
 *
 * A stream is judged by itself only where it takes almost nothing. A consumer that holds much on many streams, and
 * takes a little of each or gives up some for new ones, still blocks the others. Half of what waited for it must have
 * gone on to it.
 */
import type { WireStream } from './stream.ts'

/** A stream is overdue if, until the next look, less than this part of what waited at the first look went on … */
const LEAST_PASSED_ON = 1 / 16
/** … a consumer if less than this part went on, over all its streams, … */
const LEAST_OF_CONSUMER = 1 / 2
/** … and if it holds this part of all that is held. Less does not starve a connection. */
const LEAST_HELD = 1 / 4

/** What a look found of a stream. */
interface Mark {
  /** Bytes that had gone on to its consumer. */
  readonly passedOn: number
  /** … and that waited for it. */
  readonly waiting: number
}

/** The sums over the streams of a consumer. */
interface Total {
  /** At the first look. */
  waited: number
  /** Since. */
  passedOn: number
  /** Now. */
  waiting: number
}

export class SlowReaders {
  #marks = new Map<WireStream, Mark>()

  /** Takes the first look. */
  mark(streams: readonly WireStream[]): void {
    this.#marks = new Map(streams.map(stream => [stream, markOf(stream)]))
  }

  /**
   * Takes the next look. @returns those of `streams` that were too slow since, or whose consumer was: the ones that
   * hold most come first, up to half of `heldBytes`
   */
  overdue(streams: readonly WireStream[], heldBytes: number): WireStream[] {
    const consumers = this.#consumers(streams, heldBytes)
    const slow = streams
      .filter(stream => this.#isSlow(stream) || consumers.has(consumerOf(stream)))
      .sort((a, b) => b.receiveWindow.held - a.receiveWindow.held)
    this.#marks.clear()
    let [count, held] = [0, 0]
    for (; count < slow.length && held * 2 < heldBytes; count++) held += slow[count]!.receiveWindow.held
    return slow.slice(0, count)
  }

  #isSlow(stream: WireStream): boolean {
    const mark = this.#marks.get(stream)
    return mark !== undefined && markOf(stream).passedOn - mark.passedOn < mark.waiting * LEAST_PASSED_ON
  }

  /** Those that are overdue as a whole. */
  #consumers(streams: readonly WireStream[], heldBytes: number): Set<object> {
    const totals = new Map<object, Total>()
    const of = (stream: WireStream): Total => {
      const consumer = consumerOf(stream)
      const known = totals.get(consumer)
      if (known !== undefined) return known
      const total = { waited: 0, passedOn: 0, waiting: 0 }
      totals.set(consumer, total)
      return total
    }
    for (const stream of streams) of(stream).waiting += markOf(stream).waiting
    for (const [stream, { passedOn, waiting }] of this.#marks) {
      const total = of(stream)
      total.waited += waiting
      // The bytes that waited for a stream that was given up went nowhere.
      if (stream.end === undefined || stream.end.kind === 'clean')
        total.passedOn += Math.min(waiting, markOf(stream).passedOn - passedOn)
    }
    const slow = [...totals].filter(
      ([, total]) =>
        total.waited > 0 &&
        total.passedOn < total.waited * LEAST_OF_CONSUMER &&
        total.waiting >= heldBytes * LEAST_HELD,
    )
    return new Set(slow.map(([consumer]) => consumer))
  }
}

function consumerOf({ owner }: WireStream): object {
  return owner.consumer ?? owner
}

function markOf({ receivedBytes, receiveWindow: { held }, owner }: WireStream): Mark {
  const waiting = Math.min(held, owner.waitingBytes ?? held)
  return { passedOn: receivedBytes - waiting, waiting }
}
