/**
 * An endpoint in a process of its own, on grpc-go or on node:http2, and all that can be done to it. It writes each call
 * that it receives into a file, at once, so that what it received is known even if it is killed.
 *
 * | done to it    | what its calls meet                                                        |
 * |---------------|----------------------------------------------------------------------------|
 * | `slow`        | answers that take a hundred times as long                                  |
 * | `unavailable` | UNAVAILABLE, at once                                                       |
 * | `flaky`       | UNAVAILABLE for one attempt of twenty, drawn by the call's name and the number of the attempt |
 * | `silent`      | no answer, ever; the session itself is alive                               |
 * | `frozen`      | SIGSTOP: the kernel still accepts connections and takes bytes, nobody reads |
 * | `killed`      | SIGKILL: connections end, new ones are refused                             |
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PINS } from '../../../bench/measure/child.ts'

export type Treatment = 'answer' | 'slow' | 'unavailable' | 'flaky' | 'silent'
export type Fault = Exclude<Treatment, 'answer'> | 'frozen' | 'killed'

/** A time during which something is wrong with it, by `Date.now()`. */
export interface Trouble {
  readonly fault: Fault
  readonly fromMs: number
  toMs: number
}

/**
 * Whether a flaky endpoint fails this attempt: one of twenty, the same ones on each endpoint and in each run.
 * @param previous as `grpc-previous-rpc-attempts` says; undefined: it is the first
 */
export function flakyFails(name: string, previous = '0'): boolean {
  return createHash('sha256').update(`${previous}/${name}`).digest()[0]! < FLAKY_BYTES
}

/** Of 256: 5.1 %. */
const FLAKY_BYTES = 13
/** What it writes when it ended a session for its age, instead of a call. */
export const ROTATED = '- rotated'
const START_MS = 20_000
const HERE = import.meta.dirname
const GO_FOLDER = join(HERE, '../go')

/** The program of each kind. */
export type Kind = readonly string[]

export const NODE_KIND: Kind = [process.execPath, join(HERE, 'node-endpoint.ts')]

/** @returns the program in Go, or why there is none */
export function goKind(folder: string): Kind | { readonly missing: string } {
  const file = join(folder, 'go-endpoint')
  const { status, error, stderr } = spawnSync('go', ['build', '-trimpath', '-o', file, '.'], {
    cwd: GO_FOLDER,
    encoding: 'utf8',
    timeout: 300_000,
  })
  return status === 0 ? [file] : { missing: error?.message ?? stderr.trim().split('\n').at(-1)! }
}

export class EndpointProcess {
  readonly name: string
  readonly troubles: Trouble[] = []
  port = 0
  version = ''
  readonly #kind: Kind
  readonly #ledger: string
  readonly #pinned: boolean
  #child: ChildProcess | undefined
  #said: ((line: string) => void) | undefined
  #maxAgeMs = 0

  /** @param pinned on core 1, where the load is, so that the proxy has its own */
  constructor(name: string, kind: Kind, folder: string, pinned: boolean) {
    this.name = name
    this.#kind = kind
    this.#ledger = join(folder, `${name}.ledger`)
    this.#pinned = pinned && PINS
  }

  /** Again on the same port, if it had one. */
  async start(maxAgeMs = this.#maxAgeMs): Promise<void> {
    this.#maxAgeMs = maxAgeMs
    const command = [...(this.#pinned ? ['taskset', '-c', '1'] : []), ...this.#kind]
    const args = [String(this.port), this.#ledger, String(maxAgeMs)]
    const child = spawn(command[0]!, [...command.slice(1), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child = child
    child.stdin.on('error', () => {})
    createInterface({ input: child.stdout }).on('line', line => this.#said?.(line))
    const [, port, version] = await this.#hears(/^listening on (\d+), (.*)$/)
    this.port = Number(port)
    this.version = version!
  }

  #hears(expected: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name} did not say ${expected}`)), START_MS)
      this.#said = line => {
        const match = expected.exec(line)
        if (match === null) return
        clearTimeout(timer)
        this.#said = undefined
        resolve(match)
      }
    })
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** What is wrong with it now; undefined: nothing. */
  get trouble(): Trouble | undefined {
    const last = this.troubles.at(-1)
    return last !== undefined && last.toMs === Number.POSITIVE_INFINITY ? last : undefined
  }

  async strike(fault: Fault): Promise<void> {
    this.troubles.push({ fault, fromMs: Date.now(), toMs: Number.POSITIVE_INFINITY })
    if (fault === 'frozen') this.#child!.kill('SIGSTOP')
    else if (fault === 'killed') await this.kill()
    else await this.#treat(fault)
  }

  /** It is as it was before. */
  async mend(): Promise<void> {
    const { trouble } = this
    if (trouble === undefined) return
    if (trouble.fault === 'frozen') this.#child!.kill('SIGCONT')
    else if (trouble.fault === 'killed') await this.start()
    else await this.#treat('answer')
    this.recovered()
  }

  /** Nothing is wrong with it any more. */
  recovered(): void {
    const { trouble } = this
    if (trouble !== undefined) trouble.toMs = Date.now()
  }

  async #treat(treatment: Treatment): Promise<void> {
    const heard = this.#hears(new RegExp(`^now ${treatment}$`))
    this.#child!.stdin!.write(`${treatment}\n`)
    await heard
  }

  /** GOAWAY, the calls that it has, and then the end: as a server does that is told to stop. */
  async leave(): Promise<void> {
    const child = this.#child!
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.stdin!.write('leave\n')
    await gone
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || !this.isRunning) return
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  /** The calls that it received: by their names, what they were treated to. */
  received(): Map<string, Treatment> {
    const calls = this.#lines.filter(line => line !== '' && line !== ROTATED)
    return new Map(calls.map(line => line.split(' ') as [string, Treatment]))
  }

  /** Attempts that it received, each as often as it came. */
  get attempts(): number {
    return this.#lines.filter(line => line !== '' && line !== ROTATED).length
  }

  /** How often it ended a session for its age. */
  get rotations(): number {
    return this.#lines.filter(line => line === ROTATED).length
  }

  get #lines(): string[] {
    return existsSync(this.#ledger) ? readFileSync(this.#ledger, 'utf8').split('\n') : []
  }
}
