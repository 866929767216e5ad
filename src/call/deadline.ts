/**
 * A call's time: the client's `grpc-timeout`, counted from when its HEADERS came (PROTOCOL-HTTP2.md, "Timeout"), or what
 * its route allows, counted from when it was routed. The one that ends first counts.
 */
import { formatTimeout, parseTimeout } from '../grpc/timeout.ts'
import type { CallPolicy } from '../routing/policy.ts'
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import { type Failure, failureOf } from './failure.ts'

interface DeadlineContext {
  readonly clock: Clock
  readonly wheel: TimerWheel
}

/** Whose time it is, by the name of what says it. */
type Whose = 'grpc-timeout' | 'timeoutMs' | 'defaultTimeoutMs'

export class Deadline {
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  #atMs: number
  #whose: Whose
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
    context: DeadlineContext,
    onPassed: (failure: Failure) => void,
  ): Deadline | undefined {
    const timeoutMs = parseTimeout(text)
    if (timeoutMs !== undefined && timeoutMs > 0) {
      return new Deadline(startMs + timeoutMs, 'grpc-timeout', context, onPassed)
    }
    onPassed(timeoutMs === undefined ? failureOf('bad-timeout') : passed('grpc-timeout'))
    return undefined
  }

  /**
   * @param client what the client's own time made; undefined: it has given none
   * @returns the call's deadline with what its policy says; undefined: it has none
   */
  static under(
    { timeoutMs, defaultTimeoutMs }: CallPolicy,
    client: Deadline | undefined,
    context: DeadlineContext,
    onPassed: (failure: Failure) => void,
  ): Deadline | undefined {
    const byDefault =
      client === undefined && defaultTimeoutMs !== undefined && defaultTimeoutMs < (timeoutMs ?? Infinity)
    const ms = byDefault ? defaultTimeoutMs : timeoutMs
    if (ms === undefined) return client
    const whose = byDefault ? 'defaultTimeoutMs' : 'timeoutMs'
    const atMs = context.clock.now() + ms
    if (client === undefined) return new Deadline(atMs, whose, context, onPassed)
    if (atMs < client.#atMs) client.#move(atMs, whose)
    return client
  }

  private constructor(
    atMs: number,
    whose: Whose,
    { clock, wheel }: DeadlineContext,
    onPassed: (failure: Failure) => void,
  ) {
    this.#clock = clock
    this.#wheel = wheel
    this.#atMs = atMs
    this.#whose = whose
    this.#timer = new WheelTimer(() => onPassed(this.failure))
    wheel.arm(this.#timer, atMs)
  }

  #move(atMs: number, whose: Whose): void {
    this.#atMs = atMs
    this.#whose = whose
    this.#wheel.arm(this.#timer, atMs)
  }

  /** How a call ends that has no time left. */
  get failure(): Failure {
    return passed(this.#whose)
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

function passed(whose: Whose): Failure {
  if (whose === 'grpc-timeout') return failureOf('deadline', { cause: "the client's time, grpc-timeout" })
  const message = "deadline exceeded at the proxy: the route's time is over"
  return failureOf('deadline', { message, cause: `the route's time, ${whose}` })
}
