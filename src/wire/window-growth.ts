/**
 * Decides when a receive window grows; RFC 9113 §6.9 leaves that to the receiver.
 *
 * A sender that uses up its window within a round trip is held back by the window and not by what it has to
 * send: at 50 ms, 64 KiB are 1.3 MB/s at most. Then the window doubles. But a sender that a full path or a busy
 * receiver holds back uses up every window too, and a larger one carries nothing more: its bytes wait in buffers
 * of sockets, and what comes behind them, small calls of the same session, waits with them. There round trips
 * take longer than the shortest one did, because the PING waits in the same buffers. So what counts is how much would
 * have come in the shortest round trip at the rate of this one, and above `FREE_BYTES` the window grows only if that
 * used it up three times running, because some round trips of a tenth of a millisecond are short by chance.
 *
 * Measured with a bulk stream beside 99 small calls (bench: fairness): their p99 rose to 3.5 times what it was
 * without it when windows grew at each round trip that used them up, and to 1.8 times as it is now, with bulk as fast
 * as before.
 *
 * A caller that gives no time has round trips of equal length, so windows grow whenever they are used up.
 */

/**
 * There is at most one probe for this many bytes, half of the default window. A session of small calls sends a
 * PING in 840 calls, an idle one none. The server's DATA that causes it makes gRPC servers forgive the PING.
 */
const PROBE_BYTES = 32_768
/** Shorter times are not told apart. */
const LEAST_ROUND_MS = 0.01

/** Round trips of a connection: a PING of ours and its ACK, while DATA comes in. */
export class RoundTrips {
  /** The round trip being measured, 1, 2, …; 0 between them. */
  round = 0
  /** The last round trip that was measured, and how long it took. */
  lastRound = 0
  lastMs = LEAST_ROUND_MS
  /** The shortest round trip ever, which is that of the path without waiting bytes. */
  leastMs = Number.POSITIVE_INFINITY
  #count = 0
  #bytes = 0
  #startMs = 0

  /** DATA came. True: send a PING of ours now, and tell `acknowledged` when its ACK comes. */
  received(bytes: number, nowMs: number): boolean {
    if (this.round > 0) return false
    this.#bytes += bytes
    if (this.#bytes < PROBE_BYTES) return false
    this.#bytes = 0
    this.#startMs = nowMs
    this.round = ++this.#count
    return true
  }

  /** The ACK of the probe came: a round trip is over. False: there was no probe. */
  acknowledged(nowMs: number): boolean {
    if (this.round === 0) return false
    this.lastMs = Math.max(LEAST_ROUND_MS, nowMs - this.#startMs)
    this.leastMs = Math.min(this.leastMs, this.lastMs)
    this.lastRound = this.round
    this.round = 0
    return true
  }
}

/** By how much a window grows. grpc-go's `gamma`: 2. */
const GROWTH_FACTOR = 2
/**
 * A window is used up if in one round trip at least this part of it arrived. As updates go out by halves, a
 * sender that is held back sends by halves too, and of its two one may fall just outside the round trip;
 * so less than a half must be enough (grpc-go, with updates by quarters: 0.66).
 */
const USED_UP = 1 / 3
/** Up to this size windows grow at once, because in smaller ones each WINDOW_UPDATE and PING serves too few bytes. */
const FREE_BYTES = 262_144
/** Above it, this many round trips running must show that the window holds the sender back. */
const CERTAIN = 3

/** The growth of one window. */
export class WindowGrowth {
  /** Whether the window must grow. */
  #due = false
  #round = 0
  #bytes = 0
  /** How many round trips running used it up. */
  #usedUp = 0

  /** DATA of this many bytes came to a window of `limitBytes`. */
  received(bytes: number, trips: RoundTrips, limitBytes: number): void {
    const { round } = trips
    if (round !== this.#round) {
      if (this.#round !== 0) this.#due = this.#isUsedUp(trips, limitBytes)
      this.#round = round
      this.#bytes = 0
    }
    if (round !== 0) this.#bytes += bytes
  }

  /** The new size of a window of `limitBytes`, at most `mostBytes`: the same, or once the size that it grows to. */
  grown(limitBytes: number, mostBytes: number): number {
    if (!this.#due) return limitBytes
    this.#due = false
    return Math.min(limitBytes * GROWTH_FACTOR, mostBytes)
  }

  #isUsedUp({ lastRound, lastMs, leastMs }: RoundTrips, limitBytes: number): boolean {
    const free = limitBytes < FREE_BYTES
    const bytes = free ? this.#bytes : (this.#bytes * leastMs) / lastMs
    // The length of a round trip before the last is no longer known.
    const usedUp = this.#round === lastRound && bytes >= limitBytes * USED_UP
    this.#usedUp = usedUp ? this.#usedUp + 1 : 0
    if (this.#usedUp < (free ? 1 : CERTAIN)) return false
    this.#usedUp = 0
    return true
  }
}
