/** Time that passes from one event to the next: the clock of the simulation, and everything that is due on it. */
import type { Clock, Timer } from '../../src/transport/clock.ts'

export interface Event {
  fire(): void
}

class Entry {
  readonly atMs: number
  /** Of two at the same time the one that was added first is first. */
  readonly number: number
  event: Event | undefined

  constructor(atMs: number, number: number, event: Event) {
    this.atMs = atMs
    this.number = number
    this.event = event
  }
}

export class Agenda implements Clock {
  #nowMs = 0
  #count = 0
  /** A heap: no entry is due before its parent. */
  readonly #heap: Entry[] = []

  now(): number {
    return this.#nowMs
  }

  after(delayMs: number, fire: () => void): Timer {
    const entry = this.#push(this.#nowMs + delayMs, { fire })
    return {
      cancel() {
        entry.event = undefined
      },
    }
  }

  /** It cannot be taken back. */
  add(atMs: number, event: Event): void {
    this.#push(atMs, event)
  }

  runUntil(endMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= endMs; next = this.#heap[0]) {
      this.#pop()
      this.#nowMs = next.atMs
      next.event?.fire()
    }
    this.#nowMs = endMs
  }

  #push(atMs: number, event: Event): Entry {
    const entry = new Entry(atMs, this.#count++, event)
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
    return entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.number < other.number)
}
