/**
 * The keys of TLS session tickets (RFC 5077, RFC 8446 §4.6.1): with a ticket a client resumes its session, without the
 * cost of a whole handshake. All keys come from one secret, so that processes that share the secret take each other's
 * tickets. Who has the secret can read what was encrypted in sessions of TLS 1.2 that had tickets: it is replaced from time
 * to time, and lies in memory only.
 *
 * Node has room for one key at a time. So tickets from before a rotation are no longer known, and their owners make a whole
 * handshake, once.
 */
import type { Clock, Timer } from './clock.ts'
import { nodeCrypto } from './node-tls.ts'

export interface TicketSettings {
  /** How long a secret is used. */
  readonly ticketKeyMs: number
  /** One that is shared with other processes; whoever shares it replaces it. Undefined: one of our own. */
  readonly ticketSecret?: Uint8Array
}

const SECRET_BYTES = 32
/** What Node takes: a name, a key for HMAC-SHA-256 and one for AES-128, 16 bytes each. */
const KEY_BYTES = 48

/** As random as the system has it. */
export function newTicketSecret(): Uint8Array {
  return nodeCrypto().randomBytes(SECRET_BYTES)
}

export class TicketKeys {
  #settings: TicketSettings
  readonly #clock: Clock
  readonly #onChanged: () => void
  /** Our own, if there is need for one. */
  #own: Uint8Array | undefined
  #timer: Timer | undefined
  #closed = false

  /** @param onChanged all keys are others from now on */
  constructor(settings: TicketSettings, clock: Clock, onChanged: () => void) {
    this.#settings = settings
    this.#clock = clock
    this.#onChanged = onChanged
  }

  /** @param scope tickets of one scope are not known in another */
  keyFor(scope: string): Buffer {
    return Buffer.from(nodeCrypto().hkdfSync('sha256', this.#secret, '', scope, KEY_BYTES))
  }

  get #secret(): Uint8Array {
    const { ticketSecret } = this.#settings
    if (ticketSecret !== undefined) return ticketSecret
    if (this.#own === undefined) {
      this.#own = newTicketSecret()
      this.#replaceLater()
    }
    return this.#own
  }

  #replaceLater(): void {
    this.#timer?.cancel()
    if (this.#closed) return
    this.#timer = this.#clock.after(this.#settings.ticketKeyMs, () => {
      this.#own = undefined
      this.#onChanged()
    })
  }

  update(settings: TicketSettings): void {
    const { ticketKeyMs, ticketSecret } = this.#settings
    this.#settings = settings
    if (settings.ticketKeyMs !== ticketKeyMs && this.#own !== undefined) this.#replaceLater()
    if (!isSame(settings.ticketSecret, ticketSecret)) this.#onChanged()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return Buffer.compare(one, other) === 0
}
