/** The other end of `proxy-process.ts`. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Question, Report, Start } from './proxy-process.ts'

export class ProxyProcess {
  readonly #child: ChildProcess
  /** Code or signal, once it is over. */
  ended: string | undefined
  port = 0

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('exit', (code, signal) => {
      this.ended = signal ?? `code ${code}`
    })
  }

  static async start(start: Start): Promise<ProxyProcess> {
    const path = fileURLToPath(new URL('proxy-process.ts', import.meta.url))
    const proxy = new ProxyProcess(fork(path, { execArgv: ['--expose-gc'] }))
    proxy.port = (await proxy.ask({ ask: 'start', start })).port!
    return proxy
  }

  /** One question at a time. @throws when the process ends instead of answering */
  async ask(question: Question): Promise<Report> {
    if (this.ended !== undefined) throw new Error(`the proxy's process ended with ${this.ended}`)
    const gone = new AbortController()
    const onExit = () => gone.abort()
    this.#child.once('exit', onExit)
    this.#child.send(question)
    try {
      const [report] = await once(this.#child, 'message', { signal: gone.signal })
      return report as Report
    } catch (cause) {
      throw new Error(`the proxy's process ended with ${this.ended}`, { cause })
    } finally {
      this.#child.off('exit', onExit)
    }
  }

  /** Closed and let go: with nothing left it ends by itself. @returns how, or undefined when it does not */
  async leave(withinMs: number): Promise<string | undefined> {
    if (this.ended !== undefined) return this.ended
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), withinMs)
    await exited
    clearTimeout(timer)
    return this.ended === 'SIGKILL' ? undefined : this.ended
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
