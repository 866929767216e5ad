/**
 * A process starts the one that succeeds it, and ends when that one serves. The successor inherits the listening sockets
 * as descriptors: there is no moment at which nobody listens, and what waits to be accepted is accepted by either of them.
 *
 * ```
 *   SIGUSR2 ─▶ starts ─┬─ ready ───────────────────────────▶ listens no more, drains, ends with 0
 *                      └─ ended, failed, took too long ────▶ goes on, and says why
 * ```
 *
 * The sockets are one open file for both processes. Node can give descriptors only to a process that it starts itself, so
 * the successor is a child until its parent has gone.
 */
import type { ChildProcess } from 'node:child_process'
import type { Logger } from 'pino'
import { FIRST_FD } from '../transport/inherited-sockets.ts'
import { ListeningSocket } from '../transport/listening-socket.ts'

/** For the successor: the process id of its parent, so that no other process believes that it is one. */
export const PREDECESSOR = 'GRPC_VERBATIM_PREDECESSOR'
/** For the successor: the names of the sockets, as JSON, in the order of their descriptors. */
export const SOCKETS = 'GRPC_VERBATIM_SOCKETS'
/** For the parent: to start takes a second or two, and a backend that is `required` may be slow to come. */
export const START_TIMEOUT_MS = 60_000

/** What a successor tells its parent, once. */
export type Told =
  | { readonly kind: 'ready'; readonly taken: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string }

/** A program with its arguments, as it is started. */
export interface CommandLine {
  readonly program: string
  readonly args: readonly string[]
  readonly folder: string
}

/** How this process was started: the successor runs what is installed by then, with the same options. */
export function ownCommandLine(): CommandLine {
  return { program: process.execPath, args: [...process.execArgv, ...process.argv.slice(1)], folder: process.cwd() }
}

export interface SuccessionOptions {
  readonly log: Logger
  /** What is to be started. @throws Error where that cannot be known */
  readonly commandLine: () => CommandLine
  /** Why there can be none now. */
  readonly refusal: () => string | undefined
  /** The successor serves, in the process of that id. */
  readonly onReplaced: (pid: number) => void
  /** There is no successor, and this process goes on. */
  readonly onFailed: () => void
}

export class Succession {
  readonly #options: SuccessionOptions
  #successor: ChildProcess | undefined
  #isReplaced = false

  constructor(options: SuccessionOptions) {
    this.#options = options
    process.on('exit', () => {
      if (!this.#isReplaced) this.#successor?.kill('SIGKILL')
    })
  }

  /** Starts a successor, unless there is one. */
  start(): void {
    const refusal = this.#successor === undefined ? this.#options.refusal() : 'one is starting already'
    if (refusal !== undefined) {
      this.#options.log.warn(`no successor is started: ${refusal}`)
      return this.#options.log.flush()
    }
    try {
      this.#spawn()
    } catch (error) {
      this.#fail((error as Error).message)
    }
  }

  #spawn(): void {
    const sockets = [...ListeningSocket.all]
    const fixed = sockets.filter(({ fd }) => fd === undefined).map(({ name }) => name)
    if (fixed.length > 0) throw new Error(`${fixed.join(', ')} cannot be handed to another process on this system`)
    const { program, args, folder } = this.#options.commandLine()
    const { WATCHDOG_PID: _, ...environment } = process.env
    // Most processes have no successor. This file is loaded early all the same: by then another version may be installed.
    const { spawn } = process.getBuiltinModule('node:child_process')
    const successor = spawn(program, args, {
      cwd: folder,
      env: {
        ...environment,
        [PREDECESSOR]: String(process.pid),
        [SOCKETS]: JSON.stringify(sockets.map(({ name }) => name)),
      },
      // Descriptors from FIRST_FD on, and the channel behind them.
      stdio: [...Array<'inherit'>(FIRST_FD).fill('inherit'), ...sockets.map(({ fd }) => fd!), 'ipc'],
    })
    this.#successor = successor
    this.#options.log.info({ successor: successor.pid }, 'a successor is starting')
    this.#options.log.flush()
    const timer = setTimeout(() => this.#fail(`it was not ready after ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS)
    successor.on('message', (told: Told) => {
      if (successor !== this.#successor || this.#isReplaced) return
      clearTimeout(timer)
      if (told.kind === 'ready') this.#handOver(successor, sockets, new Set(told.taken))
      else this.#fail(told.reason)
    })
    const gone = (why: string) => {
      clearTimeout(timer)
      if (successor === this.#successor && !this.#isReplaced) this.#fail(why)
    }
    successor.on('error', error => gone(error.message))
    successor.on('exit', (code, signal) => gone(`it ended with ${signal ?? code} before it was ready`))
  }

  #handOver(successor: ChildProcess, sockets: readonly ListeningSocket[], taken: ReadonlySet<string>): void {
    const { log, refusal, onReplaced } = this.#options
    // This process was told to end meanwhile.
    if (refusal() !== undefined) return void successor.kill('SIGTERM')
    this.#isReplaced = true
    for (const socket of sockets) {
      if (taken.has(socket.name)) socket.leave()
      socket.stop()
    }
    log.info({ successor: successor.pid }, 'the successor serves: this process drains, and ends')
    // It outlives this process.
    successor.unref()
    onReplaced(successor.pid!)
  }

  #fail(reason: string): void {
    const { log, onFailed } = this.#options
    this.#successor?.kill('SIGKILL')
    this.#successor = undefined
    log.error({ reason }, `there is no successor, and this process goes on: ${reason}`)
    try {
      onFailed()
    } catch (error) {
      log.error({ err: error }, 'the failure cannot be told to whoever asked')
    }
    log.flush()
  }
}
