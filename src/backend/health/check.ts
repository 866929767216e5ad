/**
 * One check of one endpoint, and the session that it takes.
 *
 * - A shared session that has room to spare is asked first: it is what calls meet. A check never takes its last stream.
 * - Where there is none, because nobody calls or because all are full, the check dials a session of its own. It is kept for
 *   the next checks, and goes when a shared one has room again. So nothing that calls do keeps checks from being made, and
 *   no check keeps a session open that calls do not use.
 */
import { HEALTH_CHECK_PATH, healthRequest } from '../../grpc/health-message.ts'
import { callOn, type OwnOutcome, type OwnStreams } from '../../rpc/own-call.ts'
import { OwnSession } from '../../rpc/own-session.ts'
import { authorityOf } from '../authority.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Lease } from '../lease.ts'
import type { BackendContext } from '../settings.ts'
import type { HealthSettings } from './settings.ts'
import { bad, good, type Verdict, verdictOf } from './verdict.ts'

export type CheckOptions = Pick<HealthSettings, 'kind' | 'service' | 'timeoutMs'>

export type CheckContext = Pick<BackendContext, 'clock' | 'wheel' | 'transport'>

/** @param verdict undefined: nothing was learned */
export type OnChecked = (verdict: Verdict | undefined) => void

/** A response is some ten bytes. One that is longer than this is none. */
const MAX_RESPONSE_BYTES = 4_096

export class Check {
  readonly #endpoint: Endpoint
  readonly #options: CheckOptions
  readonly #context: CheckContext
  readonly #own: OwnSession
  readonly #request: Buffer
  #done: OnChecked | undefined
  #cancel: (() => void) | undefined
  #expiresMs = 0
  /** The peer refused the call unprocessed, and it was made again: once, as with clients' calls. */
  #again = false

  constructor(endpoint: Endpoint, options: CheckOptions, context: CheckContext) {
    this.#endpoint = endpoint
    this.#options = options
    this.#context = context
    this.#own = new OwnSession(endpoint.address, context.transport, context.clock)
    this.#request = healthRequest(options.service ?? '')
  }

  /** It has begun, and is not done. */
  get running(): boolean {
    return this.#done !== undefined
  }

  /** Only while none is running. @param done called once, in a later turn or in this one; not after `close` */
  begin(done: OnChecked): void {
    this.#done = done
    this.#again = false
    this.#expiresMs = this.#context.clock.now() + this.#options.timeoutMs
    if (this.#options.kind === 'connect') this.#connect()
    else this.#ask()
  }

  /** A session that is there says little: the endpoint may have stopped since. One that is new says that it takes calls. */
  #connect(): void {
    this.#own.get(this.#options.timeoutMs, (session, why) => {
      this.#own.retire()
      this.#tell(session === undefined ? bad(`it cannot be reached: ${why}`) : good('it can be reached'))
    })
  }

  #ask(): void {
    const lease = this.#endpoint.roomToSpare
    if (lease !== undefined) {
      this.#own.retire()
      return this.#call(sharedBy(lease))
    }
    this.#own.get(this.#timeLeftMs, (session, why) => {
      if (session !== undefined) return this.#call(session, this.#own)
      // Its sessions are full of calls, so it works, and has no room for one more connection.
      this.#tell(this.#endpoint.state === 'ready' ? undefined : bad(`it cannot be reached: ${why}`))
    })
  }

  get #timeLeftMs(): number {
    return Math.max(1, this.#expiresMs - this.#context.clock.now())
  }

  /** @param own the session is our own, and the next check dials another if this one is of no use */
  #call(session: OwnStreams, own?: OwnSession): void {
    const { address } = this.#endpoint
    const request = {
      path: HEALTH_CHECK_PATH,
      scheme: address.tls === undefined ? ('http' as const) : ('https' as const),
      authority: authorityOf(address),
      message: this.#request,
      maxBytes: MAX_RESPONSE_BYTES,
    }
    const { clock, wheel } = this.#context
    const time = { clock, wheel, timeoutMs: this.#timeLeftMs }
    this.#cancel = callOn(session, request, time, outcome => {
      if (outcome.kind === 'late' || outcome.kind === 'lost') own?.close()
      this.#onOutcome(outcome)
    })
  }

  #onOutcome(outcome: OwnOutcome): void {
    this.#cancel = undefined
    if (outcome.kind === 'lost' && outcome.unprocessed && !this.#again) {
      this.#again = true
      return this.#ask()
    }
    this.#tell(verdictOf(outcome, this.#options.service ?? ''))
  }

  #tell(verdict: Verdict | undefined): void {
    const done = this.#done
    this.#done = undefined
    done?.(verdict)
  }

  /** Gives up what is running, and its session. */
  close(): void {
    this.#done = undefined
    this.#cancel?.()
    this.#own.close()
  }
}

/** Resets of shared sessions keep to the pace that the endpoint bears. */
function sharedBy(lease: Lease): OwnStreams {
  return {
    open: owner => lease.openOwn(owner),
    giveUp: what => lease.reset(what),
    ended: what => lease.ownEnded(what),
  }
}
