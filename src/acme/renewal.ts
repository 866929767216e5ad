/**
 * Keeps one certificate: has it issued where there is none, and again when a third of its time is left. Authorities bound how
 * often they are asked, and so does this, over restarts too.
 */
import { X509Certificate } from 'node:crypto'
import type { Logger } from 'pino'
import type { Clock, Timer } from '../transport/clock.ts'
import { mayAskAgainAt } from './acme-client.ts'
import type { AcmeSetup } from './setup.ts'
import { readTries, textOf, writePrivate, writeTries } from './storage.ts'

/** The rest of its time with which a certificate is renewed, as Let's Encrypt advises. */
const LAST_PART = 1 / 3
/** Not all proxies that began together ask together. */
const JITTER_PART = 1 / 30
/** 0, 1, 4, 13 and 40 minutes: Let's Encrypt takes 5 failures of a name in an hour. */
const FIRST_WAIT_MS = 60_000
const WAIT_GROWS = 3
const MAX_WAIT_MS = 21_600_000
const WAIT_JITTER = 0.1
/** What an authority says of when to ask again is believed up to here. */
const MAX_TOLD_MS = 86_400_000
/** The clock on the wall may be set, and a machine may sleep: timers alone are not to be trusted for weeks. */
const LOOK_MS = 600_000

export interface RenewalContext {
  readonly clock: Clock
  /** By the clock on the wall. */
  readonly wall: () => number
  readonly random: () => number
  readonly log: Logger
  /** @returns what is stored then. @throws Error why there is none */
  readonly order: (setup: AcmeSetup) => Promise<string>
  /** There is another certificate in its file. */
  readonly onCertificate: () => void
}

export class Renewal {
  readonly setup: AcmeSetup
  readonly #context: RenewalContext
  /** When there is something to do, by the clock on the wall. */
  #dueMs = 0
  #timer: Timer | undefined
  #closed = false

  constructor(setup: AcmeSetup, context: RenewalContext) {
    this.setup = setup
    this.#context = context
  }

  async start(): Promise<void> {
    const { failures, notBeforeMs } = await readTries(this.setup.file)
    // A clock that was wrong must not keep it waiting for years.
    const latest = this.#context.wall() + Math.max(MAX_WAIT_MS, MAX_TOLD_MS)
    this.#dueMs = Math.max(await this.#renewalMs(), failures > 0 ? Math.min(notBeforeMs, latest) : 0)
    if (this.#dueMs > this.#context.wall() && failures > 0) this.#tellOfNext()
    this.#look()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #look(): void {
    if (this.#closed) return
    const inMs = this.#dueMs - this.#context.wall()
    if (inMs <= 0) void this.#try()
    else this.#timer = this.#context.clock.after(Math.min(inMs, LOOK_MS), () => this.#look())
  }

  /** When what is stored is to be renewed; 0: there is nothing that could be used. */
  async #renewalMs(): Promise<number> {
    try {
      const { validFromDate, validToDate } = new X509Certificate((await textOf(this.setup.file)) ?? '')
      const [from, until] = [validFromDate.getTime(), validToDate.getTime()]
      return until - (until - from) * (LAST_PART - JITTER_PART * this.#context.random())
    } catch {
      return 0
    }
  }

  async #try(): Promise<void> {
    const { domains, option, directory, file } = this.setup
    const { log, wall, order, onCertificate } = this.#context
    const { failures } = await readTries(file)
    log.info({ option, domains, directory }, `asking ${directory} for a certificate for ${domains.join(', ')}`)
    try {
      // Before it is asked: who ends in the middle of it has asked, too.
      await this.#note(failures + 1)
      const pem = await order(this.setup)
      await writePrivate(file, pem)
      await writeTries(file, { failures: 0, notBeforeMs: 0 })
      // One that is valid for a moment only is not asked for all the time.
      this.#dueMs = Math.max(await this.#renewalMs(), wall() + FIRST_WAIT_MS)
      const next = new Date(this.#dueMs).toUTCString()
      log.info({ option, domains }, `there is a certificate for ${domains.join(', ')}; it is renewed on ${next}`)
      onCertificate()
    } catch (error) {
      if (this.#closed) return
      log.error({ option, domains, directory }, `${option}: no certificate from ${directory}: ${reasonOf(error)}`)
      await this.#note(failures + 1).catch(() => {})
      this.#tellOfNext()
    }
    this.#look()
  }

  /** Not before this is it asked again, whatever becomes of this process. */
  async #note(failures: number): Promise<void> {
    const { wall, random } = this.#context
    const waitMs = Math.min(FIRST_WAIT_MS * WAIT_GROWS ** Math.min(failures - 1, 20), MAX_WAIT_MS)
    const toldMs = Math.min(mayAskAgainAt(this.setup.directory), wall() + MAX_TOLD_MS)
    this.#dueMs = Math.max(wall() + waitMs * (1 + WAIT_JITTER * random()), toldMs)
    await writeTries(this.setup.file, { failures, notBeforeMs: this.#dueMs })
  }

  #tellOfNext(): void {
    const { option } = this.setup
    this.#context.log.info({ option }, `${option}: the next try is on ${new Date(this.#dueMs).toUTCString()}`)
  }
}

/** Of what an authority, or a stranger in its place, says: one line, not too long. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 500)
}
