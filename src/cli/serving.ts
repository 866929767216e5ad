/**
 * A process that serves, from its first signal to its last: it listens for signals, may take the place of a predecessor and be
 * followed by a successor, and says how it is to systemd and to its pid file.
 */
import type { ConfiguredProxy } from '../config/configured-proxy.ts'
import { lastLinesWritten } from '../observe/outputs.ts'
import type { BoundAddress } from '../transport/listening-socket.ts'
import type { Primary } from '../workers/primary.ts'
import type { PidFile } from './pid-file.ts'
import type { Predecessor } from './predecessor.ts'
import type { ServiceManager } from './service-manager.ts'
import { drainOnSignals, reopenLogsOnSignal } from './signals.ts'
import { closeUnused } from './socket-activation.ts'
import { ownCommandLine, Succession } from './succession.ts'

/** In this process, or in workers that it starts. */
export type ServedProxy = ConfiguredProxy | Primary

export interface ServingOptions {
  readonly proxy: ServedProxy
  readonly pidFile: PidFile | undefined
  readonly predecessor: Predecessor | undefined
  /** Undefined: systemd does not ask. */
  readonly manager: ServiceManager | undefined
}

export class Serving {
  readonly #proxy: ServedProxy
  readonly #pidFile: PidFile | undefined
  readonly #predecessor: Predecessor | undefined
  readonly #manager: ServiceManager | undefined
  readonly #draining: () => boolean
  #isServing = false

  constructor({ proxy, pidFile, predecessor, manager }: ServingOptions) {
    this.#proxy = proxy
    this.#pidFile = pidFile
    this.#predecessor = predecessor
    this.#manager = manager
    process.on('uncaughtException', error => {
      proxy.log.fatal({ err: error }, 'uncaught exception')
      process.exit(1)
    })
    reopenLogsOnSignal(proxy.log, 'reopenLogs' in proxy ? proxy : undefined)
    this.#draining = drainOnSignals({ drain: () => this.#drain() }, lastLinesWritten)
    // As if it were told by a signal: with the last lines of the log, and the exit code.
    proxy.askDrain = () => this.#draining() || process.kill(process.pid, 'SIGTERM')
    const succession = this.#succession()
    process.on('SIGUSR2', () => succession.start())
  }

  async #drain(): Promise<void> {
    const told = this.#manager?.stopping(this.#proxy.setup.drain.graceMs)
    if ((await this.#proxy.drain()) === false) process.exitCode = 1
    await told
  }

  #succession(): Succession {
    return new Succession({
      log: this.#proxy.log,
      refusal: () => {
        if (this.#draining()) return 'this process ends'
        return this.#isServing ? undefined : 'this process does not serve yet'
      },
      commandLine: () => this.#pidFile?.takeNext() ?? ownCommandLine(),
      onReplaced: async pid => {
        await this.#manager?.replacedBy(pid)
        this.#proxy.askDrain()
      },
      onFailed: () => this.#pidFile?.write(),
    })
  }

  /** @returns what `complete` waits for: the proxy has begun to listen, or it cannot */
  async begin(): Promise<Started> {
    const proxy = this.#proxy
    // Workers that have no endpoint yet keep calls waiting.
    if ('fleet' in proxy) await this.#predecessor?.waitFor(() => proxy.fleet.missing)
    return { listening: proxy.start() }
  }

  /** Once it listens: who waits for it is told. @throws what `start` of the proxy did */
  async complete({ listening }: Started): Promise<void> {
    let bound: BoundAddress[]
    try {
      bound = await listening
    } catch (error) {
      // Told to end before it began to listen: the drain ends the process.
      if (this.#draining()) return
      throw error
    }
    const { log } = this.#proxy
    closeUnused(log)
    this.#pidFile?.write()
    process.on('exit', () => this.#pidFile?.remove())
    this.#isServing = true
    this.#predecessor?.ready()
    this.#manager?.ready(bound.map(({ address }) => address))
    // The lines that say where it listens must not wait for others.
    log.flush()
    if (process.stdout.isTTY) await this.#greet(bound)
  }

  /** For a person; programs read the log. */
  async #greet(bound: BoundAddress[]): Promise<void> {
    const { greetingOf } = await import('./greeting.ts')
    const { setup, adminAddress } = this.#proxy
    console.log(greetingOf({ setup, adminAddress, bound }))
  }
}

/** In an object, since a promise that an async function returns is waited for. */
export interface Started {
  readonly listening: Promise<BoundAddress[]>
}
