/** The proxy as everybody runs it: `serve` with a configuration, a process of its own. Its log goes to a file. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ProxyOptions } from '../../../src/index.ts'

const CLI = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url))
const LOOK_MS = 20

export interface ProxyConfig {
  /** Where the victim's calls go. */
  readonly backendPorts: readonly number[]
  readonly balancer: NonNullable<ProxyOptions['backends']>[string]['balancer']
  /** What else the victim's backend is told: its limits. */
  readonly backend: Omit<NonNullable<ProxyOptions['backends']>[string], 'endpoints' | 'source'>
  /** Where the attacker's calls go, if not where the victim's go. */
  readonly attackedPort: number | undefined
  readonly limits: NonNullable<ProxyOptions['limits']>
  readonly transport: 'native' | 'frames'
  /** Of Node. */
  readonly flags: readonly string[]
}

export class ProxyProcess {
  readonly pid: number
  port = 0
  /** Code or signal, once it is over. */
  ended: string | undefined
  readonly #child: ChildProcess
  readonly #folder: string
  #stderr = ''

  private constructor({ backendPorts, balancer, backend, attackedPort, limits, transport, flags }: ProxyConfig) {
    this.#folder = mkdtempSync(join(tmpdir(), 'isolation-'))
    this.setEndpoints(backendPorts)
    const config = {
      listeners: [{ address: '127.0.0.1:0', transport }],
      backends: {
        main: { source: { file: this.#list }, balancer, transport, ...backend },
        ...(attackedPort !== undefined && { attacked: { endpoints: [`127.0.0.1:${attackedPort}`], transport } }),
      },
      routes: [
        ...(attackedPort === undefined ? [] : [{ match: { service: 'attack.Calls' }, backend: 'attacked' }]),
        { backend: 'main' },
      ],
      limits,
      log: { pretty: false },
    }
    // JSON is YAML.
    const file = join(this.#folder, 'config.yaml')
    writeFileSync(file, JSON.stringify(config))
    const log = openSync(this.#log, 'w')
    this.#child = spawn(process.execPath, [...flags, CLI, 'serve', '-c', file], { stdio: ['ignore', log, 'pipe'] })
    closeSync(log)
    this.pid = this.#child.pid!
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4_000)
    })
    this.#child.on('exit', (code, signal) => {
      this.ended = signal ?? `code ${code}`
    })
  }

  get #list(): string {
    return join(this.#folder, 'endpoints.json')
  }

  /** Where the victim's calls go from now on; soon, as the file is watched. */
  setEndpoints(ports: readonly number[]): void {
    writeFileSync(`${this.#list}.new`, JSON.stringify(ports.map(port => `127.0.0.1:${port}`)))
    renameSync(`${this.#list}.new`, this.#list)
  }

  get #log(): string {
    return join(this.#folder, 'log')
  }

  static async start(config: ProxyConfig): Promise<ProxyProcess> {
    const proxy = new ProxyProcess(config)
    for (;;) {
      const port = /"msg":"listening on 127\.0\.0\.1:(\d+)"/.exec(readFileSync(proxy.#log, 'utf8'))?.[1]
      if (port !== undefined) {
        proxy.port = Number(port)
        return proxy
      }
      if (proxy.ended !== undefined) throw new Error(`the proxy ended with ${proxy.ended}: ${proxy.#stderr}`)
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
  }

  /** How it ended, and what it said, if it did. */
  get fate(): string | undefined {
    return this.ended === undefined ? undefined : `${this.ended} ${this.#stderr}`
  }

  kill(): void {
    this.#child.kill('SIGKILL')
    if (process.env.ISOLATION_KEEP) console.log(`    its configuration and log: ${this.#folder}`)
    else rmSync(this.#folder, { recursive: true, force: true })
  }
}
