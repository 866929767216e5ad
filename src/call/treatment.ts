/** What a policy asks of one call, beside its deadline. A call without a policy has none. */
import type { MirrorPolicy } from '../routing/mirror-policy.ts'
import type { CallPolicy } from '../routing/policy.ts'
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import type { CallParts } from './call-state.ts'
import type { RelayContext } from './context.ts'
import { Copy, type CopyContext } from './copy.ts'
import { type Failure, failureOf } from './failure.ts'

/**
 * Whether data has moved is looked at so often within `idleTimeoutMs`: so a frame costs nothing, and a call ends at most
 * an eighth later than it could.
 */
const LOOKS = 8

/** The call. */
export interface Treated {
  readonly parts: CallParts
}

type TreatmentContext = CopyContext & Pick<RelayContext, 'routes'>

export class Treatment {
  readonly #policy: CallPolicy
  readonly #call: Treated
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #fail: (failure: Failure) => void
  #headers: WheelTimer | undefined
  #idle: WheelTimer | undefined
  #moved = 0
  #movedMs = 0
  #forwarded = false
  /** Undefined: there is none. */
  readonly copy: Copy | undefined

  /** @param fail ends the call */
  constructor(policy: CallPolicy, call: Treated, context: TreatmentContext, fail: (failure: Failure) => void) {
    this.#policy = policy
    this.#call = call
    this.#clock = context.clock
    this.#wheel = context.wheel
    this.#fail = fail
    if (policy.mirror !== undefined) this.copy = copyOf(policy.mirror, call, context)
  }

  /** It goes to an endpoint, perhaps not for the first time. */
  forwarded(): void {
    if (this.#forwarded) return
    this.#forwarded = true
    const { responseHeadersTimeoutMs, idleTimeoutMs } = this.#policy
    const nowMs = this.#clock.now()
    if (responseHeadersTimeoutMs !== undefined) {
      this.#headers = new WheelTimer(() => this.#fail(failureOf('response-headers-timeout')))
      this.#wheel.arm(this.#headers, nowMs + responseHeadersTimeoutMs)
    }
    if (idleTimeoutMs !== undefined) {
      this.#idle = new WheelTimer(() => this.#look(idleTimeoutMs))
      this.#movedMs = nowMs
      this.#moved = movedBytes(this.#call.parts)
      this.#wheel.arm(this.#idle, nowMs + idleTimeoutMs / LOOKS)
    }
  }

  /** The headers of its response came. */
  responded(): void {
    if (this.#headers !== undefined) this.#wheel.disarm(this.#headers)
    if (this.#idle !== undefined) this.#movedMs = this.#clock.now()
  }

  #look(idleTimeoutMs: number): void {
    const nowMs = this.#clock.now()
    const moved = movedBytes(this.#call.parts)
    if (moved !== this.#moved) {
      this.#moved = moved
      this.#movedMs = nowMs
    }
    const endsMs = this.#movedMs + idleTimeoutMs
    if (nowMs >= endsMs) return this.#fail(failureOf('idle-timeout'))
    this.#wheel.arm(this.#idle!, Math.min(endsMs, nowMs + idleTimeoutMs / LOOKS))
  }

  /** The call is answered or over. */
  end(): void {
    if (this.#headers !== undefined) this.#wheel.disarm(this.#headers)
    if (this.#idle !== undefined) this.#wheel.disarm(this.#idle)
    if (this.copy !== undefined) compare(this.copy, this.#call.parts)
  }
}

function copyOf(
  { backend: named, share = 1 }: MirrorPolicy,
  call: Treated,
  context: TreatmentContext,
): Copy | undefined {
  if (share < 1 && Math.random() >= share) return undefined
  const { path } = call.parts.request.head
  const backend = context.routes.backend(named)
  if (backend === undefined) {
    context.onFault('a mirror names an unknown backend', path, named)
    return undefined
  }
  return new Copy(
    backend,
    {
      path,
      get backend() {
        return call.parts.backend!.name
      },
      get responseBytes() {
        return call.parts.recorder?.response.bytes ?? 0
      },
    },
    context,
  )
}

/** The call is answered, or over. */
function compare(copy: Copy, { phase, recorder }: CallParts): void {
  if (phase !== 'over') return copy.callAnswered()
  copy.callOver(recorder?.endedBy === 'backend' ? recorder.status : undefined)
}

/** A number that differs once a byte has come from either side, or one that waited has gone on. */
function movedBytes({ recorder, down, attempt }: CallParts): number {
  const came = recorder === undefined ? 0 : recorder.request.bytes + recorder.response.bytes
  const waiting = down.queuedBytes + (attempt === undefined || attempt.closed ? 0 : attempt.stream.queuedBytes)
  return 2 * came - waiting
}
