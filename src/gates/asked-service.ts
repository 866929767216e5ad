/** A service that a gate asks about each call: with a bound on time, on bytes and on questions at a time. */
import type { BackendDefinition, CallInfo } from '../routing/director.ts'
import { refusal } from '../routing/gate.ts'
import type { Services } from '../routing/services.ts'

export interface AskedServiceOptions {
  /** The backend that is asked: its name in the configuration, or what `defineBackend` made. */
  readonly backend: string | BackendDefinition
  /** How long an answer may take. */
  readonly timeoutMs?: number | undefined
  /** What happens to a call where there is no answer, or a wrong one: `closed` refuses it, `open` lets it pass. */
  readonly failure?: 'open' | 'closed' | undefined
  /** Questions at a time. For a call above that there is no answer. */
  readonly maxAsks?: number | undefined
}

/** As in Envoy: who is asked about each call is near. */
const TIMEOUT_MS = 200
/** What hangs for 200 ms is asked five times a second by each: 5,000 calls a second then wait for nothing, and no more. */
const MAX_ASKS = 1_000
/** Some headers to add. */
const MAX_ANSWER_BYTES = 65_536
const OVER = refusal('gate-failed', 'the call is over')

export class AskedService<Answer> {
  readonly #options: AskedServiceOptions
  readonly #path: string
  readonly #read: (answer: Buffer) => Answer
  readonly #what: string
  #asking = 0

  /** @param read throws what is wrong with an answer */
  constructor(path: string, options: AskedServiceOptions, read: (answer: Buffer) => Answer) {
    const { backend } = options
    this.#path = path
    this.#options = options
    this.#read = read
    this.#what = typeof backend === 'string' ? backend : backend.name
  }

  /**
   * Asks about a call. A client that leaves meanwhile takes the question back.
   * @returns undefined where there is no answer, and the call passes without one
   * @throws Refusal where it does not
   */
  async about({ signal }: CallInfo, message: Buffer, services: Services): Promise<Answer | undefined> {
    const { backend, timeoutMs = TIMEOUT_MS, failure = 'closed', maxAsks = MAX_ASKS } = this.#options
    try {
      if (this.#asking >= maxAsks) throw new Error(`more than ${maxAsks} calls ask it`)
      this.#asking++
      try {
        return this.#read(await this.#answer(signal, services, backend, message, timeoutMs))
      } finally {
        this.#asking--
      }
    } catch (error) {
      if (error === OVER) throw error
      if (failure === 'open') return undefined
      throw refusal('gate-failed', `${this.#what} has not answered: ${(error as Error).message}`)
    }
  }

  #answer(
    signal: AbortSignal,
    services: Services,
    backend: AskedServiceOptions['backend'],
    message: Buffer,
    timeoutMs: number,
  ): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(OVER)
      const call = { path: this.#path, message, timeoutMs, maxBytes: MAX_ANSWER_BYTES }
      const giveUp = services.ask(backend, call, (answer, why) => {
        signal.removeEventListener('abort', onAbort)
        if (answer === undefined) reject(new Error(why))
        else resolve(answer)
      })
      const onAbort = () => {
        giveUp()
        reject(OVER)
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}

/** @throws TypeError for a gate that nobody gave services */
export function given(services: Services | undefined, kind: string): Services {
  if (services === undefined)
    throw new TypeError(`${kind} asks a backend of its proxy: hand on what your gate is given`)
  return services
}

/** Of the protocol: no service may say them. */
const RESERVED = new Set(
  'connection keep-alive proxy-connection transfer-encoding upgrade te host content-type'.split(' '),
)
RESERVED.add('content-length')

/**
 * What a service wants to be added.
 * @throws Error for what metadata cannot be
 */
export function addedBy(headers: readonly (readonly [string, string])[]): Record<string, string[]> {
  const metadata = Object.create(null) as Record<string, string[]>
  for (const [name, value] of headers) {
    if (!mayChange(name)) throw new Error(`it adds ${JSON.stringify(name.slice(0, 64))}, which no service may say`)
    if (!/^(?:[!-~](?:[ -~]*[!-~])?)?$/.test(value))
      throw new Error(`what it adds as ${name} is no text that metadata has`)
    metadata[name] = [...(metadata[name] ?? []), value]
  }
  return metadata
}

export function mayChange(name: string): boolean {
  return /^[0-9a-z_.-]+$/.test(name) && !name.startsWith('grpc-') && !RESERVED.has(name)
}
