/**
 * Tells systemd how this process is, as in sd_notify(3): that it serves, reloads, ends, has a successor, or is alive.
 *
 * The messages are datagrams to a unix socket, and Node has none of those. `systemd-notify` sends them: it is a part of
 * systemd itself, asks it to believe that this process is the sender, and waits until the message has been read, without
 * which it would be lost with its sender. One runs at a time, since order matters. What waits meanwhile is not a queue but
 * the news: a newer state takes the place of an older one, so that a storm of reloads starts no storm of processes.
 *
 * This is loaded only where systemd asks to be told (`NOTIFY_SOCKET`).
 */
import { type ExecFileException, execFile } from 'node:child_process'
import type { Logger } from 'pino'
import type { Verdict } from '../config/reload.ts'
import { type Clock, systemClock } from '../transport/clock.ts'

const PROGRAM = 'systemd-notify'
/** It waits for systemd by itself, for 5 seconds. */
const SEND_TIMEOUT_MS = 6000
/** A sign of life is a process: no `WatchdogSec=` makes more of them than this. */
const LEAST_EVERY_MS = 100
/** Of the addresses in the status, which is one line in `systemctl status`. */
const MOST_ADDRESSES = 3

type State = 'ready' | 'reloading' | 'stopping' | 'replaced'

interface Message {
  readonly state: State
  readonly fields: readonly string[]
  /** It was sent, or cannot be. */
  readonly settled?: () => void
}

export class ServiceManager {
  readonly #log: Logger
  readonly #clock: Clock
  /** Undefined: nobody waits for a sign of life. */
  readonly #aliveEveryMs: number | undefined
  /** What is still to be told: at most a reload and its end. */
  #news: Message[] = []
  #isSignDue = false
  #isSending = false
  #isMissing = false
  #hasFailed = false
  /** It ends, or another process is the main one: no other state comes after that. */
  #isOver = false
  #cancelSigns = () => {}

  constructor(log: Logger, environment: NodeJS.ProcessEnv = process.env, clock: Clock = systemClock) {
    this.#log = log
    this.#clock = clock
    this.#aliveEveryMs = aliveEveryMs(environment)
  }

  /** Calls are accepted. */
  ready(addresses: readonly string[]): void {
    const shown = addresses.slice(0, MOST_ADDRESSES).join(', ') || 'no address'
    const left = addresses.length - MOST_ADDRESSES
    this.#tell('ready', ['READY=1', status(`It serves calls on ${shown}${left > 0 ? ` and ${left} more` : ''}.`)])
    if (this.#aliveEveryMs !== undefined && !this.#isOver) this.#signLater(this.#aliveEveryMs)
  }

  reloading(): void {
    // Of CLOCK_MONOTONIC: systemd waits for a reload that began after it asked for one.
    const time = `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`
    this.#tell('reloading', ['RELOADING=1', time, status('It reads its configuration again.')])
  }

  reloaded(verdict: Verdict): void {
    this.#tell('ready', ['READY=1', status(sentenceOf(verdict))])
  }

  /** @returns when systemd knows, or does not want to */
  stopping(graceMs: number): Promise<void> {
    const sentence = `It drains: calls in flight have ${Math.ceil(graceMs / 1000)} s to finish.`
    return this.#tellLast('stopping', ['STOPPING=1', status(sentence)])
  }

  /**
   * Another process is the service from now on, and tells the rest.
   * @returns when systemd knows: this process must not end before, since with it the service would
   */
  replacedBy(pid: number): Promise<void> {
    this.#cancelSigns()
    return this.#tellLast('replaced', [`MAINPID=${pid}`])
  }

  #tellLast(state: State, fields: readonly string[]): Promise<void> {
    const told = new Promise<void>(settled => this.#tell(state, fields, settled))
    this.#isOver = true
    return told
  }

  #tell(state: State, fields: readonly string[], settled?: () => void): void {
    if (this.#isOver) return settled?.()
    const before = state === 'ready' ? this.#news.filter(({ state }) => state === 'reloading') : []
    this.#news = [...before, { state, fields, ...(settled && { settled }) }]
    this.#send()
  }

  /** A timer of the event loop says it: one that does not turn gives no sign of life. */
  #signLater(everyMs: number): void {
    const timer = this.#clock.after(everyMs, () => {
      this.#isSignDue = true
      this.#send()
      this.#signLater(everyMs)
    })
    this.#cancelSigns = () => timer.cancel()
  }

  #send(): void {
    if (this.#isSending) return
    const next = this.#news.shift()
    const fields = [...(next?.fields ?? []), ...(this.#isSignDue ? ['WATCHDOG=1'] : [])]
    this.#isSignDue = false
    if (fields.length === 0) return
    if (this.#isMissing) return next?.settled?.()
    this.#isSending = true
    const ended = (error: ExecFileException | null, output: string) => {
      this.#isSending = false
      if (error === null) this.#hasFailed = false
      else this.#failed(error, output.trim())
      next?.settled?.()
      this.#send()
    }
    const options = { timeout: SEND_TIMEOUT_MS, killSignal: 'SIGKILL' } as const
    try {
      execFile(PROGRAM, fields, options, (error, _stdout, stderr) => ended(error, stderr))
    } catch (error) {
      // Some failures are thrown, as that there is no memory for a process. The proxy goes on.
      ended(error as ExecFileException, '')
    }
  }

  /** The first time only: it is tried again with the next message, and each would fail alike. */
  #failed(error: ExecFileException, output: string): void {
    this.#isMissing = error.code === 'ENOENT'
    if (this.#hasFailed) return
    this.#hasFailed = true
    const why = this.#isMissing ? `there is no ${PROGRAM}` : `${PROGRAM} failed: ${output || error.message}`
    const advice = this.#isMissing
      ? 'install it, or let the unit have Type=exec and no WatchdogSec='
      : 'does NOTIFY_SOCKET name the socket of systemd, and may this user write to it?'
    this.#log.warn(`systemd is not told how this process is: ${why}; ${advice}`)
    this.#log.flush()
  }
}

function status(sentence: string): string {
  // A path may have a line break, and a message is lines.
  return `STATUS=${sentence.replace(/\s+/g, ' ')}`
}

function sentenceOf(verdict: Verdict): string {
  if (verdict.kind !== 'rejected') return 'It serves calls, and what its configuration file says is in force.'
  return 'It serves calls as before: its configuration file is wrong, and the log says why.'
}

/** Twice in the time after which systemd gives up, as sd_watchdog_enabled(3) has it. */
function aliveEveryMs({ WATCHDOG_USEC: usec, WATCHDOG_PID: pid }: NodeJS.ProcessEnv): number | undefined {
  // The time is that of another process.
  if (pid !== undefined && Number(pid) !== process.pid) return undefined
  const everyMs = Number(usec) / 2000
  return everyMs > 0 ? Math.max(everyMs, LEAST_EVERY_MS) : undefined
}
