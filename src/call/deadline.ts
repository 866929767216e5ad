/**
 * A call's time: the client's `grpc-timeout`, counted from when its HEADERS came (PROTOCOL-HTTP2.md, "Timeout"), or what
 * its route allows, counted from when it was routed. The one that ends first counts.
 */
import { formatTimeout, parseTimeout } from '../grpc/timeout.ts'
import type { CallPolicy } from '../routing/policy.ts'
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelEntry } from '../transport/timer-wheel.ts'
import { type Failure, failureOf } from './failure.ts'

interface DeadlineContext {
  readonly clock: Clock
  readonly wheel: TimerWheel
}

/** The call, which is told at most once: when its time is over, unless `disarm` comes first. */
interface Timed {
  fail(failure: Failure): void
}

/** Whose time it is, by the name of what says it. */
type Whose = 'grpc-timeout' | 'timeoutMs' | 'defaultTimeoutMs'

/** It is the entry of the wheel itself: one object for each call that has a deadline. */
export class Deadline extends WheelEntry {
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #call: Timed
  #atMs: number
  #whose: Whose

  /**
   * @param text the value of `grpc-timeout`
   * @param call is told now where the text is malformed or no time is left
   * @returns undefined where it was told now
   */
  static start(text: string, startMs: number, context: DeadlineContext, call: Timed): Deadline | undefined {
    const timeoutMs = parseTimeout(text)
    if (timeoutMs !== undefined && timeoutMs > 0) {
      return new Deadline(startMs + timeoutMs, 'grpc-timeout', context, call)
    }
    call.fail(timeoutMs === undefined ? failureOf('bad-timeout') : passed('grpc-timeout'))
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
    call: Timed,
  ): Deadline | undefined {
    const byDefault =
      client === undefined && defaultTimeoutMs !== undefined && defaultTimeoutMs < (timeoutMs ?? Infinity)
    const ms = byDefault ? defaultTimeoutMs : timeoutMs
    if (ms === undefined) return client
    const whose = byDefault ? 'defaultTimeoutMs' : 'timeoutMs'
    const atMs = context.clock.now() + ms
    if (client === undefined) return new Deadline(atMs, whose, context, call)
    if (atMs < client.#atMs) client.#move(atMs, whose)
    return client
  }

  private constructor(atMs: number, whose: Whose, { clock, wheel }: DeadlineContext, call: Timed) {
    super()
    this.#clock = clock
    this.#wheel = wheel
    this.#call = call
    this.#atMs = atMs
    this.#whose = whose
    wheel.arm(this, atMs)
  }

  fire(): void {
    this.#call.fail(this.failure)
  }

  #move(atMs: number, whose: Whose): void {
    this.#atMs = atMs
    this.#whose = whose
    this.#wheel.arm(this, atMs)
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
    this.#wheel.disarm(this)
  }
}

function passed(whose: Whose): Failure {
  if (whose === 'grpc-timeout') return failureOf('deadline', { cause: "the client's time, grpc-timeout" })
  const message = "deadline exceeded at the proxy: the route's time is over"
  return failureOf('deadline', { message, cause: `the route's time, ${whose}` })
}
