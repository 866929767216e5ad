/**
 * A unary call that the proxy makes itself to a backend, for a gate. It is placed as calls of clients are: by the balancer,
 * within the limits of the backend, and at an endpoint that can be used.
 */

import type { ServiceCall, Services } from '../routing/services.ts'
import { callOn, type OwnOutcome, type OwnStreams } from '../rpc/own-call.ts'
import type { Clock } from '../transport/clock.ts'
import { type TimerWheel, WheelTimer } from '../transport/timer-wheel.ts'
import { authorityOf } from './authority.ts'
import type { Backend, Lease, Unavailable, Waiter } from './backend.ts'
import { DEFAULT } from './call-priority.ts'
import type { Client, ClientShare, Ticket } from './client-share.ts'

export interface AskContext {
  readonly clock: Clock
  readonly wheel: TimerWheel
}

type Done = Parameters<Services['ask']>[2]

/**
 * @param backend undefined: there is none of that name
 * @param client as whom the backend sees the proxy
 * @returns gives it up
 */
export function askOn(
  backend: Backend | undefined,
  call: ServiceCall,
  client: Client,
  context: AskContext,
  done: Done,
): () => void {
  const ask = new Ask(call, context, done)
  ask.begin(backend, client)
  return () => ask.giveUp()
}

class Ask implements Waiter {
  share!: ClientShare
  ticket: Ticket | undefined
  arriving = false
  readonly hash = 0
  readonly priority = DEFAULT
  readonly #call: ServiceCall
  readonly #context: AskContext
  readonly #expiresMs: number
  readonly #timer: WheelTimer
  #done: Done | undefined
  #backend: Backend | undefined
  /** Undefined: it waits for a stream. */
  #cancel: (() => void) | undefined
  /** The backend refused it unprocessed, and it is made again: once, as calls of clients. */
  #again = false

  constructor(call: ServiceCall, context: AskContext, done: Done) {
    this.#call = call
    this.#context = context
    this.#done = done
    this.#expiresMs = context.clock.now() + call.timeoutMs
    this.#timer = new WheelTimer(() => this.#end(undefined, `no stream within ${call.timeoutMs} ms`))
  }

  begin(backend: Backend | undefined, client: Client): void {
    if (backend === undefined) return queueMicrotask(() => this.#end(undefined, 'there is no such backend'))
    this.#backend = backend
    this.share = client.shareOf(backend)
    this.#wait()
  }

  #wait(): void {
    this.#cancel = undefined
    this.#context.wheel.arm(this.#timer, this.#expiresMs)
    this.#backend!.acquire(this)
  }

  onUnavailable(_why: Unavailable, detail: string): void {
    this.#end(undefined, detail)
  }

  onLease(lease: Lease): void {
    const { clock, wheel } = this.#context
    wheel.disarm(this.#timer)
    const { address } = lease
    const { timeoutMs: _, ...call } = this.#call
    const scheme = address.tls === undefined ? 'http' : 'https'
    const time = { clock, wheel, timeoutMs: Math.max(1, this.#expiresMs - clock.now()) }
    const request = { ...call, scheme, authority: authorityOf(address) } as const
    this.#cancel = callOn(sharedBy(lease, this.share), request, time, outcome => this.#onOutcome(outcome))
  }

  #onOutcome(outcome: OwnOutcome): void {
    // A peer that answers and takes no more of the request must not keep the stream.
    if (this.#cancel !== undefined) setImmediate(this.#cancel)
    this.#cancel = nothing
    if (outcome.kind === 'answer') return this.#end(outcome.message, '')
    if (outcome.kind === 'lost' && outcome.unprocessed && !this.#again) {
      this.#again = true
      return this.#wait()
    }
    this.#end(undefined, outcome.kind === 'status' ? `grpc-status ${outcome.status}: ${outcome.text}` : outcome.why)
  }

  #end(answer: Buffer | undefined, why: string): void {
    const done = this.#done
    this.giveUp()
    done?.(answer, why)
  }

  giveUp(): void {
    if (this.#done === undefined) return
    this.#done = undefined
    this.#context.wheel.disarm(this.#timer)
    if (this.#cancel === undefined) this.#backend?.cancel(this)
    else this.#cancel()
  }
}

const nothing = () => {}

/** Its streams count as those of clients' calls, and its resets keep to the pace that the endpoint bears. */
function sharedBy(lease: Lease, share: ClientShare): OwnStreams {
  return {
    open(owner) {
      const stream = lease.open(owner)
      share.streamOpened(lease)
      return stream
    },
    giveUp(what) {
      share.resetCaused()
      lease.reset(what)
    },
    ended(what) {
      share.streamEnded(lease)
      lease.ended(what)
    },
  }
}
