/** All certificates of a proxy that authorities issue: which there are changes with the configuration. */
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Challenges } from '../transport/alpn-challenges.ts'
import type { Clock } from '../transport/clock.ts'
import { orderCertificate } from './order.ts'
import { Renewal } from './renewal.ts'
import type { AcmeSetup } from './setup.ts'

export interface RenewalsContext {
  readonly log: Logger
  readonly clock: Clock
  readonly alpn: Challenges
  readonly onCertificate: () => void
}

export class Renewals {
  readonly #context: RenewalsContext
  /** By the file of the certificate. */
  readonly #all = new Map<string, Renewal>()
  readonly #ended = new AbortController()
  /** One order after the other: two may want the same address for their challenges. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(context: RenewalsContext) {
    this.#context = context
  }

  /** These are wanted from now on. */
  update(setups: readonly AcmeSetup[]): void {
    if (this.#ended.signal.aborted) return
    const wanted = new Map(setups.map(setup => [setup.file, setup]))
    for (const [file, renewal] of this.#all) {
      if (isDeepStrictEqual(wanted.get(file), renewal.setup)) continue
      renewal.close()
      this.#all.delete(file)
    }
    for (const [file, setup] of wanted) if (!this.#all.has(file)) this.#begin(file, setup)
  }

  #begin(file: string, setup: AcmeSetup): void {
    const { log, clock, onCertificate } = this.#context
    const order = (setup: AcmeSetup) => this.#order(setup)
    const parts = { log, clock, onCertificate, order, wall: Date.now, random: Math.random }
    const renewal = new Renewal(setup, parts)
    this.#all.set(file, renewal)
    void renewal.start()
  }

  #order(setup: AcmeSetup): Promise<string> {
    const { clock, alpn } = this.#context
    const { signal } = this.#ended
    const ordered = this.#last.then(() => {
      signal.throwIfAborted()
      return orderCertificate(setup, { clock, alpn, signal })
    })
    this.#last = ordered.catch(() => {})
    return ordered
  }

  close(): void {
    this.#ended.abort(new Error('the proxy is closed'))
    for (const renewal of this.#all.values()) renewal.close()
  }
}
