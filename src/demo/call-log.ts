/**
 * How calls ended on the server's side, by the id that the client gave them, so that a client can
 * ask afterwards. Servers that are endpoints of one backend share one log: the question may reach
 * another endpoint than the call did.
 */
import type { AwaitCallReply } from './messages.ts'
import { deferred } from './pace.ts'

/** Enough for a test that asks after its calls; the oldest go first. */
const MAX_CALLS = 10_000

interface Entry {
  readonly over: Promise<AwaitCallReply>
  readonly end: (how: AwaitCallReply) => void
}

export class CallLog {
  readonly #entries = new Map<string, Entry>()

  /** Records how a call ended. */
  end(id: string, how: AwaitCallReply): void {
    this.#entry(id).end(how)
  }

  /** Resolves when a call with this id is over; it may not have begun yet. */
  over(id: string): Promise<AwaitCallReply> {
    return this.#entry(id).over
  }

  #entry(id: string): Entry {
    const known = this.#entries.get(id)
    if (known !== undefined) return known
    const { promise, resolve } = deferred<AwaitCallReply>()
    const entry = { over: promise, end: resolve }
    this.#entries.set(id, entry)
    if (this.#entries.size > MAX_CALLS) {
      const oldest = this.#entries.keys().next().value
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
    return entry
  }
}
