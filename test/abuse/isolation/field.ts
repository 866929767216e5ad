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

export interface FieldConfig extends Partial<Pick<ProxyConfig, 'limits' | 'transport' | 'flags'>> {
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

  private constructor(children: ChildProcess[], backendPort: number, proxy: ProxyProcess, slowReaderTimeoutMs: number) {
    this.#attacker = program('attacker-process.ts')
    this.#children = [...children, this.#attacker]
    this.backendPort = backendPort
    this.proxy = proxy
    this.#slowReaderTimeoutMs = slowReaderTimeoutMs
  }

  static async start(config: FieldConfig = {}): Promise<Field> {
    const { limits = {}, transport = 'frames', flags = [], twoBackends = false } = config
    const children: ChildProcess[] = []
    try {
      const backendPort = await startBackend(children)
      const attackedPort = twoBackends ? await startBackend(children, 'behind others') : backendPort
      const proxy = await ProxyProcess.start({ backendPort, attackedPort, limits, transport, flags })
      return new Field(children, backendPort, proxy, limits.slowReaderTimeoutMs ?? DEFAULT_SLOW_READER_TIMEOUT_MS)
    } catch (error) {
      for (const child of children) child.kill('SIGKILL')
      throw error
    }
  }

  attack(name: string, connections: number): Raid {
    const { port } = this.proxy
    return new Raid(this.#attacker, { name, connections, port, slowReaderTimeoutMs: this.#slowReaderTimeoutMs })
  }

  end(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    this.proxy.kill()
  }
}
