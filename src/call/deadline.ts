/** A client's time for its call: `grpc-timeout`, counted from when its HEADERS came (PROTOCOL-HTTP2.md, "Timeout"). */
import { formatTimeout, parseTimeout } from '../grpc/timeout.ts'
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import { type Failure, failureOf } from './failure.ts'

export class Deadline {
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #atMs: number
  readonly #timer: WheelTimer

  /**
   * @param text the value of `grpc-timeout`
   * @param onPassed called at most once: now where the text is malformed or no time is left, else when the time is
   * over, unless `disarm` comes first
   * @returns undefined where it was called now
   */
  static start(
    text: string,
    startMs: number,
    { clock, wheel }: { readonly clock: Clock; readonly wheel: TimerWheel },
    onPassed: (failure: Failure) => void,
  ): Deadline | undefined {
    const timeoutMs = parseTimeout(text)
    if (timeoutMs !== undefined && timeoutMs > 0) return new Deadline(startMs + timeoutMs, clock, wheel, onPassed)
    onPassed(failureOf(timeoutMs === undefined ? 'bad-timeout' : 'deadline'))
    return undefined
  }

  private constructor(atMs: number, clock: Clock, wheel: TimerWheel, onPassed: (failure: Failure) => void) {
    this.#clock = clock
    this.#wheel = wheel
    this.#atMs = atMs
    this.#timer = new WheelTimer(() => onPassed(failureOf('deadline')))
    wheel.arm(this.#timer, atMs)
  }

  /** `grpc-timeout` with the time that is left, never more than came; undefined: it has passed. */
  left(): string | undefined {
    const { leftMs } = this
    return leftMs > 0 ? formatTimeout(leftMs) : undefined
  }

  /** How long that is; below 0 where it has passed. */
  get leftMs(): number {
    return this.#atMs - this.#clock.now()
  }

  disarm(): void {
    this.#wheel.disarm(this.#timer)
  }
}
