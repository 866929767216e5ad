/**
 * Server-sent events (HTML, "Server-sent events"): one text for all who listen, once a second. While nobody listens nothing is
 * made, and there is no timer.
 */
import type { ServerResponse } from 'node:http'
import type { Clock, Timer } from '../transport/clock.ts'

export interface EventSource {
  /** What is told next, as one line of text. */
  next(): Promise<string>
  /** Nobody listens any more. */
  idle(): void
  /** `next` failed, and nothing is told this time. */
  onFault(error: unknown): void
}

/** Pages and terminals of a few people; other requests have places of their own among the connections. */
const MAX_LISTENERS = 16
const PAUSE_MS = 1_000
/**
 * Who has not taken an event is not given the next one. Who has missed this many in a row is gone, or will never catch up; a
 * page connects again by itself.
 */
const MAX_MISSED = 10

class Listener {
  readonly response: ServerResponse
  missed = 0

  constructor(response: ServerResponse) {
    this.response = response
  }

  /** @returns false: it has missed too many */
  send(event: string): boolean {
    if (this.response.writableLength > 0) return ++this.missed < MAX_MISSED
    this.missed = 0
    this.response.write(event)
    return true
  }
}

export class EventStream {
  readonly #source: EventSource
  readonly #clock: Clock
  readonly #listeners = new Set<Listener>()
  #timer: Timer | undefined
  /** The last event, for who comes between two. */
  #last: string | undefined
  #making = false
  #closed = false

  constructor(source: EventSource, clock: Clock) {
    this.#source = source
    this.#clock = clock
  }

  get listeners(): number {
    return this.#listeners.size
  }

  get hasRoom(): boolean {
    return this.#listeners.size < MAX_LISTENERS
  }

  /** @param response whose head was written; it is ended here */
  add(response: ServerResponse): void {
    const listener = new Listener(response)
    this.#listeners.add(listener)
    response.on('close', () => this.#remove(listener))
    if (this.#last !== undefined) listener.send(this.#last)
    if (this.#timer === undefined && !this.#making) void this.#tell()
  }

  #remove(listener: Listener): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#last = undefined
    // One that is being made comes to nobody.
    if (!this.#making) this.#source.idle()
  }

  async #tell(): Promise<void> {
    this.#timer = undefined
    this.#making = true
    try {
      this.#last = `data: ${await this.#source.next()}\n\n`
      for (const listener of this.#listeners) if (!listener.send(this.#last)) listener.response.destroy()
    } catch (error) {
      this.#source.onFault(error)
    }
    this.#making = false
    if (this.#closed) return
    if (this.#listeners.size > 0) this.#timer = this.#clock.after(PAUSE_MS, () => void this.#tell())
    else {
      this.#last = undefined
      this.#source.idle()
    }
  }

  /** All who listen have to ask again. */
  end(): void {
    for (const { response } of this.#listeners) response.destroy()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.end()
  }
}
