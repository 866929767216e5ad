/**
 * A session for calls that the proxy makes itself, apart from those that carry clients' calls. It is dialled when it is
 * asked for, kept until it ends or is given up, and dialled again when it is asked for the next time.
 */
import type { Clock, Timer } from '../transport/clock.ts'
import type { ClientSession, ClientSessionOwner, ClientTransport, DialAddress } from '../transport/transport.ts'
import { STOOD_STILL_MS } from './own-call.ts'

/** Told once: a session that has room for a stream, or why there is none. */
export type OnSession = (session: ClientSession | undefined, why: string) => void

export class OwnSession implements ClientSessionOwner {
  readonly #address: DialAddress
  readonly #transport: ClientTransport
  readonly #clock: Clock
  /** Being dialled, or open. */
  #session: ClientSession | undefined
  #waiting: OnSession | undefined
  #timer: Timer | undefined

  constructor(address: DialAddress, transport: ClientTransport, clock: Clock) {
    this.#address = address
    this.#transport = transport
    this.#clock = clock
  }

  /** A session is open, or being dialled. */
  get inUse(): boolean {
    return this.#session !== undefined
  }

  /**
   * Gives the session that is open, or a new one. Only when nobody waits for one.
   * @param timeoutMs longest time from dialling to the peer's SETTINGS
   */
  get(timeoutMs: number, told: OnSession): void {
    const open = this.#session
    // One that is full, which a peer may make it by SETTINGS, is of no use.
    if (open !== undefined && open.free <= 0) this.close()
    else if (open !== undefined) return told(open, '')
    this.#waiting = told
    const dueMs = this.#clock.now() + timeoutMs
    const fail = () => this.#fail(`no connection within ${Math.round(timeoutMs)} ms`)
    this.#timer = this.#clock.after(timeoutMs, () => {
      if (this.#clock.now() - dueMs <= STOOD_STILL_MS) return fail()
      this.#timer = this.#clock.after(STOOD_STILL_MS, fail)
    })
    this.#session = this.#transport.connect(this.#address, this)
  }

  /** Ends the session now. Who waits for one hears nothing. */
  close(): void {
    const session = this.#session
    this.#forget()
    session?.destroy()
  }

  /** The session ends with its last call, and the next one is dialled anew. */
  retire(): void {
    const session = this.#session
    this.#forget()
    session?.retire()
  }

  #forget(): void {
    this.#session = this.#waiting = undefined
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #tell(session: ClientSession | undefined, why: string): void {
    const told = this.#waiting
    this.#waiting = undefined
    this.#timer?.cancel()
    this.#timer = undefined
    told?.(session, why)
  }

  onReady(session: ClientSession): void {
    if (session !== this.#session) return
    if (session.free > 0) this.#tell(session, '')
    else this.#fail('it allows no streams')
  }

  #fail(why: string): void {
    const told = this.#waiting
    this.close()
    told?.(undefined, why)
  }

  onFree(): void {
    // One call at a time needs no more room.
  }

  onDraining(session: ClientSession, _code: number, debug: string): void {
    this.#lose(session, `GOAWAY ${JSON.stringify(debug)}`)
    session.retire()
  }

  onSpent(session: ClientSession): void {
    this.#lose(session, 'all stream numbers are used')
    session.retire()
  }

  onSessionClosed(session: ClientSession, reason: string): void {
    this.#lose(session, reason)
  }

  /** It takes no more calls. The one that it has goes on, and it ends with that. */
  #lose(session: ClientSession, why: string): void {
    if (session !== this.#session) return
    this.#session = undefined
    this.#tell(undefined, why)
  }
}
