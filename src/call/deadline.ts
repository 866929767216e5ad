/** A client's time for its call: `grpc-timeout`, counted from when its HEADERS came (PROTOCOL-HTTP2.md, "Timeout"). */
import { formatTimeout, parseTimeout } from '../grpc/timeout.ts'
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import type { Failure } from './failure.ts'
import { badTimeout, deadlinePassed } from './failure.ts'

export class Deadline {
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #atMs: number
  readonly #timer: WheelTimer

  /**
   * @param text the value of `grpc-timeout`
   * @param onPassed called once, unless `disarm` comes first
   * @returns the armed deadline, or why the call ends at once
   */
  static start(
    text: string,
    startMs: number,
    { clock, wheel }: { readonly clock: Clock; readonly wheel: TimerWheel },
    onPassed: (failure: Failure) => void,
  ): Deadline | Failure {
    const timeoutMs = parseTimeout(text)
    if (timeoutMs === undefined) return badTimeout()
    if (timeoutMs === 0) return deadlinePassed()
    return new Deadline(startMs + timeoutMs, clock, wheel, onPassed)
  }

  private constructor(atMs: number, clock: Clock, wheel: TimerWheel, onPassed: (failure: Failure) => void) {
    this.#clock = clock
    this.#wheel = wheel
    this.#atMs = atMs
    this.#timer = new WheelTimer(() => onPassed(deadlinePassed()))
    wheel.arm(this.#timer, atMs)
  }

  /** `grpc-timeout` with the time that is left, never more than came; undefined: it has passed. */
  left(): string | undefined {
    const leftMs = this.#atMs - this.#clock.now()
    return leftMs > 0 ? formatTimeout(leftMs) : undefined
  }

  disarm(): void {
    this.#wheel.disarm(this.#timer)
  }
}
