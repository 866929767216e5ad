/** What a policy asks of one call, beside its deadline. A call without a policy has none. */
import { Status } from '../grpc/status.ts'
import type { MirrorPolicy } from '../routing/mirror-policy.ts'
import type { DefinedPolicy } from '../routing/policy.ts'
import type { RetryRules } from '../routing/retry-policy.ts'
import { WheelTimer } from '../transport/timer-wheel.ts'
import type { DialAddress } from '../transport/transport.ts'
import type { CallParts } from './call-state.ts'
import type { RelayContext } from './context.ts'
import { Copy, type CopyContext } from './copy.ts'
import { type Failure, failureOf } from './failure.ts'
import { Hedge } from './hedge.ts'
import type { Hedged } from './hedge-runner.ts'
import type { CallRequest } from './request.ts'
import { type FailedAttempt, Retry } from './retry.ts'
import type { Upstream } from './upstream.ts'

export type { FailedAttempt } from './retry.ts'

/**
 * Whether data has moved is looked at so often within `idleTimeoutMs`: so a frame costs nothing, and a call ends at most
 * an eighth later than it could.
 */
const LOOKS = 8

/** The call, and what it is told. */
export interface Treated extends Hedged {
  /** Where it was tried. */
  tried: readonly DialAddress[] | undefined
  /** Its time is over. */
  fail(failure: Failure): void
  /** The time of an attempt is over. */
  onAttemptOverdue(): void
  /** The time before its next attempt is over. */
  onBackoffOver(): void
}

type TreatmentContext = CopyContext & Pick<RelayContext, 'routes' | 'random'>

export class Treatment {
  readonly #policy: DefinedPolicy
  readonly #call: Treated
  readonly #context: TreatmentContext
  readonly #request: CallRequest
  /** Once an attempt has failed: most calls need none. */
  #retry: Retry | undefined
  #headers: WheelTimer | undefined
  #idle: WheelTimer | undefined
  /** Of one attempt; then of the time before the next. */
  #attempt: WheelTimer | undefined
  #moved = 0
  #movedMs = 0
  #forwarded = false
  /** Undefined: it is not hedged. */
  readonly hedge: Hedge | undefined
  /** Undefined: there is none. */
  readonly copy: Copy | undefined

  constructor(policy: DefinedPolicy, call: Treated, request: CallRequest, context: TreatmentContext) {
    this.#policy = policy
    this.#call = call
    this.#context = context
    this.#request = request
    const { mirror, hedgeRules } = policy
    if (mirror !== undefined) this.copy = copyOf(mirror, call, context)
    this.hedge = hedgeRules && new Hedge(hedgeRules, call, request, context, this.copy)
  }

  /** It goes to an endpoint, perhaps not for the first time. */
  forwarded(): void {
    this.#retry?.begins()
    const { rules, responseHeadersTimeoutMs, idleTimeoutMs } = this.#policy
    if (rules?.perAttemptTimeoutMs !== undefined) {
      this.#attempt = this.#armed(this.#attempt, rules.perAttemptTimeoutMs, () => this.#call.onAttemptOverdue())
    }
    if (this.#forwarded) return
    this.#forwarded = true
    if (responseHeadersTimeoutMs !== undefined) {
      const fire = (): void => this.#call.fail(failureOf('response-headers-timeout'))
      this.#headers = this.#armed(undefined, responseHeadersTimeoutMs, fire)
    }
    if (idleTimeoutMs !== undefined) {
      this.#movedMs = this.#context.clock.now()
      this.#moved = movedBytes(this.#call.parts)
      this.#idle = this.#armed(undefined, idleTimeoutMs / LOOKS, () => this.#look(idleTimeoutMs))
    }
  }

  #armed(before: WheelTimer | undefined, ms: number, fire: () => void): WheelTimer {
    const { clock, wheel } = this.#context
    if (before !== undefined) wheel.disarm(before)
    const timer = new WheelTimer(fire)
    wheel.arm(timer, clock.now() + ms)
    return timer
  }

  /**
   * An attempt failed before its response began.
   * @param failure why the proxy ends it; undefined: it ended by itself
   * @returns whether the call waits for its next attempt now, of which it is told
   */
  again(failed: FailedAttempt, attempt: Upstream | undefined, failure?: Failure): boolean {
    const { share, parts, tried } = this.#call
    const { rules } = this.#policy
    if (rules === undefined) return false
    const waitMs = this.#retryBy(rules).waitMs(failed, share, parts.deadline?.leftMs)
    if (waitMs === undefined) return false
    const by = failed.reason === 'status' || failed.reason === 'broken' ? 'backend' : 'proxy'
    this.#request.trace?.attemptEnded(by, failed.status, failure?.token ?? '')
    if (attempt !== undefined) {
      this.#call.tried = [...(tried ?? []), attempt.lease.address]
      attempt.replaced(this.#request.ended, this.#context, failure)
    }
    this.#attempt = this.#armed(this.#attempt, waitMs, () => this.#call.onBackoffOver())
    return true
  }

  /** The call has this status from its backend. */
  ended(status: number): void {
    this.hedge?.ended(status)
    const { rules } = this.#policy
    if (rules === undefined) return
    const { share } = this.#call
    if (this.#retry === undefined && status === Status.OK) share.budgetOf(rules.budget).succeeded()
    else this.#retryBy(rules).ended(status, share)
  }

  #retryBy(rules: RetryRules): Retry {
    this.#retry ??= new Retry(rules, this.#request, this.#context.random ?? Math.random)
    return this.#retry
  }

  /** The headers of its response came. */
  responded(): void {
    const { clock, wheel } = this.#context
    if (this.#headers !== undefined) wheel.disarm(this.#headers)
    if (this.#attempt !== undefined) wheel.disarm(this.#attempt)
    if (this.#idle !== undefined) this.#movedMs = clock.now()
  }

  #look(idleTimeoutMs: number): void {
    const { clock, wheel } = this.#context
    const nowMs = clock.now()
    const moved = movedBytes(this.#call.parts)
    if (moved !== this.#moved) {
      this.#moved = moved
      this.#movedMs = nowMs
    }
    const endsMs = this.#movedMs + idleTimeoutMs
    if (nowMs >= endsMs) return this.#call.fail(failureOf('idle-timeout'))
    wheel.arm(this.#idle!, Math.min(endsMs, nowMs + idleTimeoutMs / LOOKS))
  }

  /** The call is answered or over. */
  end(): void {
    const { wheel } = this.#context
    if (this.#headers !== undefined) wheel.disarm(this.#headers)
    if (this.#idle !== undefined) wheel.disarm(this.#idle)
    if (this.#attempt !== undefined) wheel.disarm(this.#attempt)
    this.hedge?.end()
    if (this.copy !== undefined) compare(this.copy, this.#call.parts)
  }
}

function copyOf(
  { backend: named, share = 1 }: MirrorPolicy,
  call: Treated,
  context: TreatmentContext,
): Copy | undefined {
  if (share < 1 && (context.random ?? Math.random)() >= share) return undefined
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
