/** The process that this one succeeds: gives its listening sockets, and hears when they are served. */
import { setNonBlockingAgain } from '../observe/log-sink.ts'
import { FIRST_FD, inheritSocket } from '../transport/inherited-sockets.ts'
import { ListeningSocket } from '../transport/listening-socket.ts'
import { PREDECESSOR, SOCKETS, START_TIMEOUT_MS, type Told } from './succession.ts'

/** Between two looks at what no event tells. */
const LOOK_MS = 50

export class Predecessor {
  readonly #names: readonly string[]

  /** @param names of the sockets, from the first descriptor on */
  constructor(names: readonly string[]) {
    this.#names = names
    for (const [i, name] of names.entries()) inheritSocket(name, FIRST_FD + i)
    process.once('disconnect', () => this.#whenGone(process.ppid, setNonBlockingAgain))
  }

  /** What both write to has one mode for both, and Node puts it back as the last thing that it does. */
  #whenGone(pid: number, then: () => void): void {
    const timer = setInterval(() => {
      if (process.ppid === pid) return
      clearInterval(timer)
      then()
    }, LOOK_MS)
    timer.unref()
  }

  /** @returns undefined: this process was started by somebody else. Removes the variables, for the same reason as there */
  static ofThisProcess(environment: NodeJS.ProcessEnv = process.env): Predecessor | undefined {
    const { [PREDECESSOR]: pid, [SOCKETS]: names } = environment
    delete environment[PREDECESSOR]
    delete environment[SOCKETS]
    return Number(pid) === process.ppid && names !== undefined ? new Predecessor(JSON.parse(names)) : undefined
  }

  /**
   * Resolves when nothing is missing. What connects before is the predecessor's: it is there as long as this one is not
   * ready.
   * @throws Error after a part of the time that the predecessor waits
   */
  async waitFor(missing: () => readonly string[]): Promise<void> {
    const ends = performance.now() + START_TIMEOUT_MS / 2
    while (missing().length > 0) {
      if (performance.now() > ends) throw new Error(`no endpoint of ${missing().join(', ')} can be used`)
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
  }

  /** All sockets that this process is to have are open. */
  ready(): void {
    const own = new Set([...ListeningSocket.all].map(({ name }) => name))
    this.#tell({ kind: 'ready', taken: this.#names.filter(name => own.has(name)) })
  }

  failed(reason: string): void {
    this.#tell({ kind: 'failed', reason })
  }

  #tell(told: Told): void {
    process.send?.(told, () => {
      // It may have gone. Then nobody needs to know.
    })
  }
}
