/** A call of the simulation: the backend's real waiter, on the real attempt. */
import type { Lease, Waiter } from '../../src/backend/backend.ts'
import { DEFAULT } from '../../src/backend/call-priority.ts'
import type { ClientShare } from '../../src/backend/client-share.ts'
import { Attempt, type AttemptOwner } from '../../src/call/attempt.ts'
import type { StreamEnd } from '../../src/transport/transport.ts'

/** Hears what became of calls. */
export interface CallOwner {
  onEnd(call: SimulatedCall, ok: boolean): void
}

export class SimulatedCall implements Waiter, AttemptOwner {
  ticket: Waiter['ticket']
  arriving = false
  readonly hash = 0
  readonly priority = DEFAULT
  readonly share: ClientShare
  readonly startMs: number
  readonly responseWaitingBytes = 0
  readonly #owner: CallOwner
  #ok = false

  constructor(share: ClientShare, startMs: number, owner: CallOwner) {
    this.share = share
    this.startMs = startMs
    this.#owner = owner
  }

  onLease(lease: Lease): void {
    new Attempt(lease, this.share, this).stream.sendHeaders([], true)
  }

  onUnavailable(): void {
    this.#owner.onEnd(this, false)
  }

  onResponseHeaders(): void {
    this.#ok = true
  }

  onAttemptClosed(_end: StreamEnd): void {
    this.#owner.onEnd(this, this.#ok)
  }

  onResponseData(): void {}
  onResponseTrailers(): void {}
  onResponseOverdue(): void {}
  onRequestWritable(): void {}
}
