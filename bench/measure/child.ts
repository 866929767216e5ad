/**
 * Programs that the suite starts: pinned to a core, each is the leader of its own process group, and none is left
 * running.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** The subject has the first core for itself; load and backend have the second. */
export type Core = 0 | 1

/** Whether this machine can give the subject a core of its own: Linux, taskset, and we may use both cores. */
export const PINS: boolean =
  process.platform === 'linux' && ['0', '1'].every(core => spawnSync('taskset', ['-c', core, 'true']).status === 0)
const START_MS = 20_000
/** How much of a program's output is kept, to say why it failed. */
const KEPT_OUTPUT = 4_000

/** For `Launch.openFiles`: ten thousand clients and a reserve. */
export const OPEN_FILES = 12_000

const running = new Set<Child>()

export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly core: Core
  readonly cwd?: string
  /** The number of files that it must be allowed to open. */
  readonly openFiles?: number
}

export class Child {
  readonly pid: number
  /** Resolves with the exit code, or −1 after a signal. */
  readonly ended: Promise<number>
  readonly #process: ChildProcess
  #stdout = ''
  #errors = ''

  constructor(launch: Launch) {
    const [command, ...args] = commandLine(launch)
    this.#process = spawn(command!, args, { cwd: launch.cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    this.pid = this.#process.pid ?? -1
    this.#process.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
    })
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-KEPT_OUTPUT)
    })
    running.add(this)
    this.ended = new Promise(resolve => {
      this.#process.on('error', error => {
        this.#errors += error.message
        running.delete(this)
        resolve(-1)
      })
      this.#process.on('close', (code, signal) => {
        if (signal !== null) this.#errors += `\nended by ${signal}`
        running.delete(this)
        resolve(code ?? -1)
      })
    })
  }

  get isRunning(): boolean {
    return running.has(this)
  }

  /** Its error, or else the end of its output, on one line. */
  get complaint(): string {
    const lines = `${this.#stdout}\n${this.#errors}`.trim().split('\n')
    const errors = lines.filter(line => /^\w*Error\b.*:/.test(line))
    return (errors.length > 0 ? errors : lines).slice(-4).join(' | ').slice(-400)
  }

  /** @throws Error when it does not accept connections in time, or ends before */
  async listening(port: number): Promise<this> {
    let code: number | undefined
    void this.ended.then(ended => {
      code = ended
    })
    for (const until = Date.now() + START_MS; Date.now() < until; await sleep(50)) {
      if (code !== undefined) throw new Error(`ended with ${code} before it listened: ${this.complaint}`)
      if (await accepts(port)) return this
    }
    await this.kill()
    throw new Error(`did not listen within ${START_MS} ms: ${this.complaint}`)
  }

  /** The first line that it prints. @throws Error when it ends before, or says nothing in time */
  async line(timeoutMs: number): Promise<string> {
    const timer = setTimeout(() => this.killNow(), timeoutMs)
    const first = new Promise<string>(resolve => {
      const look = (): void => {
        if (this.#stdout.includes('\n')) resolve(this.#stdout.slice(0, this.#stdout.indexOf('\n')))
      }
      look()
      this.#process.stdout!.on('data', look)
    })
    const line = await Promise.race([first, this.ended.then(() => undefined)])
    clearTimeout(timer)
    if (line === undefined) throw new Error(`ended without a word: ${this.complaint}`)
    return line
  }

  /** Waits for its end. @returns its output @throws Error when it fails or takes too long */
  async output(timeoutMs: number): Promise<string> {
    const timer = setTimeout(() => this.killNow(), timeoutMs)
    const code = await this.ended
    clearTimeout(timer)
    if (code !== 0) throw new Error(`ended with ${code}: ${this.complaint}`)
    return this.#stdout
  }

  /** Kills the whole group, because nghttpx, for example, works in a second process. */
  killNow(): void {
    if (!running.has(this) || this.pid <= 0) return
    try {
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }

  async kill(): Promise<void> {
    this.killNow()
    await this.ended
  }
}

export function killAll(): void {
  for (const child of running) child.killNow()
}

/** From now on no started program outlives this process. */
export function leaveNothingBehind(): void {
  process.on('exit', killAll)
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      killAll()
      process.exit(code)
    })
  }
}

/** Puts this process on a core. @returns whether this machine can */
export function moveTo(core: Core): boolean {
  return PINS && spawnSync('taskset', ['-a', '-p', '-c', String(core), String(process.pid)]).status === 0
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function commandLine({ command, args, core, openFiles }: Launch): string[] {
  const pinned = PINS ? ['taskset', '-c', String(core), command, ...args] : [command, ...args]
  if (openFiles === undefined) return pinned
  return ['sh', '-c', `[ "$(ulimit -n)" -ge ${openFiles} ] || ulimit -n ${openFiles}; exec "$@"`, 'sh', ...pinned]
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
