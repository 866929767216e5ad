/** A process under measurement. */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Usage } from './report.ts'

/** With two cores or more: what is measured has the first for itself, the load has the second. */
export type Core = 0 | 1

const HAS_TASKSET = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0

export class Subject {
  readonly #child: ChildProcess
  readonly port: number

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  /**
   * @param file beside this one, e.g. `proxy.ts`
   * @throws Error when the process ends before it listens
   */
  static async start(file: string, args: readonly string[], core: Core): Promise<Subject> {
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), [...args], {
      // A log costs its writes, but nobody reads it here.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    if (HAS_TASKSET) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(child.pid)])
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${file} ended with ${code} before it listened`)
    })
    const [message] = (await Promise.race([once(child, 'message'), ended])) as [{ port: number }]
    return new Subject(child, message.port)
  }

  async usage(): Promise<Usage> {
    this.#child.send('usage')
    const [usage] = (await once(this.#child, 'message')) as [Usage]
    return usage
  }

  stop(): void {
    this.#child.disconnect()
  }
}

/** Puts this process on a core too. */
export function moveTo(core: Core): boolean {
  if (HAS_TASKSET) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(process.pid)])
  return HAS_TASKSET
}
