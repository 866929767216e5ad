/**
 * Lines of the log that others cause as often as they like: so many of a kind are written, the rest is counted, and the
 * numbers are told. A backend that is down at 2,000 calls a second, or a client that opens connections without end, takes
 * no more of a disk than this.
 */
import type { Logger } from 'pino'
import { TokenBucket } from '../backend/token-bucket.ts'
import type { Clock, Timer } from '../transport/clock.ts'

/** Enough to see what they have in common; then one a second, so that the log shows that it goes on: 86,400 a day. */
const RATE = { burst: 100, perSecond: 1 }
/** How often the numbers are told. */
const TELL_MS = 10_000
/** Kinds are made of names that the proxy knows. Should there be more, those that come last are one. */
const MAX_KINDS = 1_000

export type LineLevel = 'debug' | 'info' | 'warn' | 'error'

/** What lines of one kind have in common. */
export interface LineKind {
  readonly level: LineLevel
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

interface Kind {
  readonly what: LineKind
  readonly bucket: TokenBucket
  /** Lines that were not written and not told of. */
  leftOut: number
}

const OTHERS: LineKind = { level: 'warn', message: 'of more kinds than are told apart', fields: {} }

export class Repeats {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #kinds = new Map<string, Kind>()
  #timer: Timer | undefined

  constructor(log: Logger, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /**
   * @param key of the kind
   * @param what asked for once a kind
   * @returns whether a line of this kind is to be written; if not, it is counted
   */
  admits(key: string, what: () => LineKind): boolean {
    const kind = this.#kinds.get(key) ?? this.#begin(key, what)
    if (kind.bucket.take(this.#clock.now())) return true
    kind.leftOut++
    return false
  }

  #begin(key: string, what: () => LineKind): Kind {
    const full = this.#kinds.size >= MAX_KINDS
    const known = full ? this.#kinds.get('') : undefined
    if (known !== undefined) return known
    const kind = { what: full ? OTHERS : what(), bucket: new TokenBucket(RATE, this.#clock.now()), leftOut: 0 }
    this.#kinds.set(full ? '' : key, kind)
    this.#timer ??= this.#clock.after(TELL_MS, this.#look)
    return kind
  }

  readonly #look = (): void => {
    this.#timer = undefined
    const now = this.#clock.now()
    for (const [key, kind] of this.#kinds) {
      this.#tell(kind)
      if (kind.bucket.isFull(now)) this.#kinds.delete(key)
    }
    if (this.#kinds.size > 0) this.#timer = this.#clock.after(TELL_MS, this.#look)
  }

  #tell(kind: Kind): void {
    const { leftOut, what } = kind
    if (leftOut === 0) return
    kind.leftOut = 0
    this.#log[what.level]({ ...what.fields, leftOut }, `${leftOut} more like this: ${what.message}`)
  }

  /** Tells what is not told yet, and waits for nothing more. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const kind of this.#kinds.values()) this.#tell(kind)
    this.#kinds.clear()
  }
}
