/** The log warns some time before certificates expire: when they are read, and once a day from then on. */
import type { Logger } from 'pino'
import type { CertificateTerm } from '../proxy/certificate-term.ts'
import type { ProxySetup } from '../proxy/setup.ts'
import type { Clock, Timer } from '../transport/clock.ts'

const DAY_MS = 86_400_000
/** Short-lived certificates are valid for hours. */
const LOOK_MS = 600_000
/** Who renews when a third is left is never warned of. */
const LAST_PART = 1 / 4

export class ExpiryWarnings {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #now: () => number
  #setup: Pick<ProxySetup, 'certificates' | 'tls'> | undefined
  /** When each was told of last, by its option and its end. */
  #told = new Map<string, number>()
  #timer: Timer | undefined

  /** @param now the time of the day */
  constructor(log: Logger, clock: Clock, now: () => number = Date.now) {
    this.#log = log
    this.#clock = clock
    this.#now = now
  }

  /** These are in force now. */
  watch(setup: Pick<ProxySetup, 'certificates' | 'tls'>): void {
    this.#setup = setup
    this.#timer?.cancel()
    this.#timer = undefined
    this.#look()
  }

  close(): void {
    this.#setup = undefined
    this.#timer?.cancel()
  }

  #look(): void {
    const { certificates = [], tls } = this.#setup ?? {}
    if (tls === undefined || tls.expiryWarningDays === 0 || certificates.length === 0) return
    const nowMs = this.#now()
    const known = this.#told
    this.#told = new Map()
    for (const term of certificates) {
      const key = `${term.option} ${term.untilMs}`
      const toldMs = known.get(key)
      if (toldMs !== undefined && nowMs - toldMs < DAY_MS) this.#told.set(key, toldMs)
      else if (isNearEnd(term, nowMs, tls.expiryWarningDays)) {
        this.#told.set(key, nowMs)
        // Of what has expired already whoever reads it says so, with its line.
        if (toldMs !== undefined || term.untilMs >= nowMs) this.#tell(term, nowMs)
      }
    }
    this.#timer = this.#clock.after(LOOK_MS, () => this.#look())
  }

  #tell({ option, what, untilMs }: CertificateTerm, nowMs: number): void {
    const verb = untilMs < nowMs ? 'expired' : 'expires'
    const message = `${option}: ${what} ${verb} on ${new Date(untilMs).toUTCString()}`
    this.#log.warn({ option, days: Math.round((untilMs - nowMs) / DAY_MS) }, message)
  }
}

function isNearEnd({ fromMs, untilMs }: CertificateTerm, nowMs: number, days: number): boolean {
  return untilMs - nowMs < Math.min(days * DAY_MS, (untilMs - fromMs) * LAST_PART)
}
