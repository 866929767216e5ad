/**
 * A delay that is exact to tens of microseconds. A timer of the event loop counts in whole milliseconds and fires
 * early or late by up to one; so a thread sleeps instead (`delay-thread.ts`), and wakes the loop when the time has
 * come.
 * All delays are alike, so they end in the order in which they began.
 */
import { Worker } from 'node:worker_threads'

/** Shared with the thread: two counters of 32 bits, and a time of 64 bits. */
export const SHARED_BYTES = 16
/** A counter: the loop asks to be woken. */
export const ASKED = 0
/** A counter: the loop was woken. */
export const WOKEN = 1
/** The time to wake, in 64 bits, in nanoseconds of `process.hrtime`. */
export const DUE = 1

const NS_PER_MS = 1e6

interface Waiting {
  readonly dueNs: bigint
  readonly resolve: () => void
}

export class Delay {
  readonly #ns: bigint
  readonly #counters: Int32Array
  readonly #times: BigInt64Array
  /** The waiting calls. There are as many as calls in flight, which other limits bound. */
  readonly #waiting: Waiting[] = []
  readonly #thread: Worker

  constructor(ms: number) {
    this.#ns = BigInt(Math.round(ms * NS_PER_MS))
    const shared = new SharedArrayBuffer(SHARED_BYTES)
    this.#counters = new Int32Array(shared)
    this.#times = new BigInt64Array(shared)
    this.#thread = new Worker(new URL('delay-thread.ts', import.meta.url), { workerData: shared })
    this.#listen(0)
  }

  /** Resolves when the time has passed, never before. */
  pass(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push({ dueNs: process.hrtime.bigint() + this.#ns, resolve })
      if (this.#waiting.length === 1) this.#ask()
    })
  }

  /** Calls that wait then do so forever. */
  async close(): Promise<void> {
    await this.#thread.terminate()
  }

  #ask(): void {
    Atomics.store(this.#times, DUE, this.#waiting[0]!.dueNs)
    Atomics.add(this.#counters, ASKED, 1)
    Atomics.notify(this.#counters, ASKED)
  }

  #listen(seen: number): void {
    const wait = Atomics.waitAsync(this.#counters, WOKEN, seen)
    if (wait.async) void wait.value.then(() => this.#onWoken())
    else this.#onWoken()
  }

  #onWoken(): void {
    const now = process.hrtime.bigint()
    while (this.#waiting.length > 0 && this.#waiting[0]!.dueNs <= now) this.#waiting.shift()!.resolve()
    const seen = Atomics.load(this.#counters, WOKEN)
    if (this.#waiting.length > 0) this.#ask()
    this.#listen(seen)
  }
}
