/**
 * The open streams of a connection by number. Numbers of one side go up by two, so that neighbours in time are
 * neighbours in a ring; a stream whose place is still taken by one that lives long goes to a map beside it.
 *
 * A call costs two stores and some loads here; in a `Map`, hashing and, now and then, a table that is made anew.
 */

/** Anything with a number. */
interface Numbered {
  readonly id: number
}

/** Places: what most connections have open at a time. A power of two. */
const FIRST_PLACES = 16
/** Beyond this number the map takes the rest. */
const MOST_PLACES = 1_024

export class StreamMap<S extends Numbered> {
  #ring: (S | undefined)[] = []
  readonly #beside = new Map<number, S>()
  #inRing = 0

  get size(): number {
    return this.#inRing + this.#beside.size
  }

  get(id: number): S | undefined {
    const ring = this.#ring
    const stream = ring[(id >>> 1) & (ring.length - 1)]
    if (stream !== undefined && stream.id === id) return stream
    return this.#beside.size === 0 ? undefined : this.#beside.get(id)
  }

  /** `stream.id` is not in it yet. */
  add(stream: S): void {
    if (this.#inRing === this.#ring.length && this.#inRing < MOST_PLACES) this.#grow()
    const place = (stream.id >>> 1) & (this.#ring.length - 1)
    if (this.#ring[place] !== undefined) {
      this.#beside.set(stream.id, stream)
      return
    }
    this.#ring[place] = stream
    this.#inRing++
  }

  delete(stream: S): void {
    const place = (stream.id >>> 1) & (this.#ring.length - 1)
    if (this.#ring[place] === stream) {
      this.#ring[place] = undefined
      this.#inRing--
    } else this.#beside.delete(stream.id)
  }

  *[Symbol.iterator](): IterableIterator<S> {
    for (const stream of [...this.#ring]) if (stream !== undefined) yield stream
    yield* [...this.#beside.values()]
  }

  #grow(): void {
    const streams = [...this]
    this.#ring = new Array(Math.max(FIRST_PLACES, 2 * this.#ring.length)).fill(undefined)
    this.#beside.clear()
    this.#inRing = 0
    for (const stream of streams) this.add(stream)
  }
}
