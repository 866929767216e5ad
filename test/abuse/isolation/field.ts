/** Where an attack takes place: a backend, the proxy before it, and the attacker, each a process of its own. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Order, Tidings } from './attacker-process.ts'
import type { Greeting } from './backend-process.ts'
import { type ProxyConfig, ProxyProcess } from './proxy.ts'

const DEFAULT_SLOW_READER_TIMEOUT_MS = 5_000
const LOOK_MS = 10

function program(name: string, ...args: string[]): ChildProcess {
  return fork(fileURLToPath(new URL(name, import.meta.url)), args)
}

/** A backend that listens, and where. */
async function startBackend(children: ChildProcess[], ...args: string[]): Promise<number> {
  const child = program('backend-process.ts', ...args)
  children.push(child)
  const [{ port }] = (await once(child, 'message')) as [Greeting]
  return port
}

/** Between two changes of the list. The proxy reads a file that has rested for a while. */
const CHANGE_MS = 250

export interface FieldConfig
  extends Partial<Pick<ProxyConfig, 'limits' | 'transport' | 'flags' | 'balancer' | 'backend'>> {
  /** So many endpoints, of which each in turn leaves the list and comes back, again and again; default: one, which stays. */
  readonly comeAndGo?: number
  /** The attacker's calls go to a backend of their own: what they cost there is not what the proxy does to others. */
  readonly twoBackends?: boolean
}

/** An attack that goes on. */
export class Raid {
  readonly #attacker: ChildProcess
  strikes = 0
  /** Connections of its that the proxy ended. */
  lost = 0
  #stopped = false
  readonly #onTidings = (tidings: Tidings): void => {
    this.strikes = tidings.strikes
    this.lost = tidings.lost
    this.#stopped = tidings.stopped
  }

  constructor(attacker: ChildProcess, order: Order) {
    this.#attacker = attacker
    attacker.on('message', this.#onTidings)
    attacker.send(order)
  }

  async stop(): Promise<void> {
    this.#attacker.send('stop' satisfies Order)
    while (!this.#stopped) {
      if (this.#attacker.exitCode !== null) throw new Error('the attacker ended by itself')
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
    this.#attacker.off('message', this.#onTidings)
  }
}

export class Field {
  readonly proxy: ProxyProcess
  /** The victim's. */
  readonly backendPort: number
  readonly #children: readonly ChildProcess[]
  readonly #attacker: ChildProcess
  readonly #slowReaderTimeoutMs: number
  #changes: NodeJS.Timeout | undefined
  /** How often the list of endpoints was changed. */
  changes = 0

  private constructor(children: ChildProcess[], backendPort: number, proxy: ProxyProcess, slowReaderTimeoutMs: number) {
    this.#attacker = program('attacker-process.ts')
    this.#children = [...children, this.#attacker]
    this.backendPort = backendPort
    this.proxy = proxy
    this.#slowReaderTimeoutMs = slowReaderTimeoutMs
  }

  static async start(config: FieldConfig = {}): Promise<Field> {
    const {
      limits = {},
      transport = 'frames',
      flags = [],
      balancer,
      backend = {},
      comeAndGo = 1,
      twoBackends = false,
    } = config
    const children: ChildProcess[] = []
    try {
      const backendPorts = await Promise.all(Array.from({ length: comeAndGo }, () => startBackend(children)))
      const attackedPort = twoBackends ? await startBackend(children, 'behind others') : undefined
      const proxy = await ProxyProcess.start({
        backendPorts,
        balancer,
        backend,
        attackedPort,
        limits,
        transport,
        flags,
      })
      const patienceMs = limits.slowReaderTimeoutMs ?? DEFAULT_SLOW_READER_TIMEOUT_MS
      const field = new Field(children, backendPorts[0]!, proxy, patienceMs)
      if (comeAndGo > 1) field.#change(backendPorts)
      return field
    } catch (error) {
      for (const child of children) child.kill('SIGKILL')
      throw error
    }
  }

  /** One of them is off the list, and then the next, with all of them there in between. */
  #change(ports: readonly number[]): void {
    this.#changes = setInterval(() => {
      const left = this.changes++
      const gone = left % 2 === 0 ? ports[(left / 2) % ports.length] : undefined
      this.proxy.setEndpoints(ports.filter(port => port !== gone))
    }, CHANGE_MS)
  }

  attack(name: string, connections: number): Raid {
    const { port } = this.proxy
    return new Raid(this.#attacker, { name, connections, port, slowReaderTimeoutMs: this.#slowReaderTimeoutMs })
  }

  end(): void {
    clearInterval(this.#changes)
    for (const child of this.#children) child.kill('SIGKILL')
    this.proxy.kill()
  }
}
