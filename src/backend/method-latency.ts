/**
 * How long a backend takes for calls of a method, as percentiles of the latest of them: from the last data of a request that came
 * until the response begins.
 */

/** Parts of each doubling, so a percentile is at most 9 % above what it was. */
const PARTS = 8
/** Shorter ones are as long as this. */
const LEAST_MS = 0.25
/** Up to some 65 seconds; longer ones are as long as that. */
const DOUBLINGS = 18
const SIZE = PARTS * DOUBLINGS

/** What is older than this has no part in it once there is enough that is newer. */
const WINDOW_MS = 30_000
/** That much is enough, also for the 99th. */
const WINDOW_CALLS = 1_000
/** What is older than two of these has no part in it, whatever there is. */
const LONGEST_MS = 600_000

/** So many calls must be beyond a percentile before anybody relies on it. */
const CALLS_BEYOND = 5
/** A percentile is counted anew after so many calls. */
const CALLS_BETWEEN = 32

/**
 * A large service. A client may invent methods, and a backend that answers all of them must not fill the memory: each takes
 * 1.2 KiB.
 */
const MAX_METHODS = 256

export class MethodLatency {
  #counts = new Uint32Array(SIZE)
  /** The window before. */
  #previous = new Uint32Array(SIZE)
  #calls = 0
  #previousCalls = 0
  #startMs: number
  lastMs: number
  /** What was asked for last, and the answer. */
  #percentile = 0
  #answerMs: number | undefined
  #fresh = 0

  constructor(nowMs: number) {
    this.#startMs = this.lastMs = nowMs
  }

  add(ms: number, nowMs: number): void {
    this.#turn(nowMs)
    this.lastMs = nowMs
    const part = Math.ceil(Math.log2(Math.max(ms, LEAST_MS) / LEAST_MS) * PARTS)
    this.#counts[Math.min(part, SIZE - 1)]!++
    this.#calls++
    this.#fresh--
  }

  /** @returns the shortest time within which so many of 100 calls began to be answered; undefined: too few are known */
  percentileMs(percentile: number, nowMs: number): number | undefined {
    this.#turn(nowMs)
    if (this.#fresh <= 0 || percentile !== this.#percentile) {
      this.#percentile = percentile
      this.#answerMs = this.#count(percentile)
      this.#fresh = this.#answerMs === undefined ? 0 : CALLS_BETWEEN
    }
    return this.#answerMs
  }

  #count(percentile: number): number | undefined {
    const calls = this.#calls + this.#previousCalls
    let beyond = calls * (1 - percentile / 100)
    if (beyond < CALLS_BEYOND) return undefined
    let part = SIZE - 1
    for (; part > 0; part--) {
      beyond -= this.#counts[part]! + this.#previous[part]!
      if (beyond < 0) break
    }
    return LEAST_MS * 2 ** (part / PARTS)
  }

  #turn(nowMs: number): void {
    const ageMs = nowMs - this.#startMs
    if (ageMs < WINDOW_MS || (this.#calls < WINDOW_CALLS && ageMs < LONGEST_MS)) return
    const kept = this.#counts
    this.#counts = this.#previous.fill(0)
    this.#previous = ageMs < 2 * LONGEST_MS ? kept : kept.fill(0)
    this.#previousCalls = ageMs < 2 * LONGEST_MS ? this.#calls : 0
    this.#calls = 0
    this.#startMs = nowMs
    this.#fresh = 0
  }
}

/** Of one backend. They stay when a configuration comes again. */
export class MethodLatencies {
  readonly #all = new Map<string, MethodLatency>()

  of(path: string): MethodLatency | undefined {
    return this.#all.get(path)
  }

  add(path: string, ms: number, nowMs: number): void {
    let known = this.#all.get(path)
    if (known === undefined) {
      if (this.#all.size >= MAX_METHODS && !this.#forgetOld(nowMs)) return
      known = new MethodLatency(nowMs)
      this.#all.set(path, known)
    }
    known.add(ms, nowMs)
  }

  /** @returns whether there is room now */
  #forgetOld(nowMs: number): boolean {
    for (const [path, { lastMs }] of this.#all) {
      if (nowMs - lastMs < WINDOW_MS) continue
      this.#all.delete(path)
      return true
    }
    return false
  }
}
