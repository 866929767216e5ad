/** A service that a gate asks about each call: with a bound on time, on bytes and on questions at a time. */
import type { ResponseHeader } from '../grpc/header-option.ts'
import { editFields, type Field, type FieldEdits, field } from '../grpc/metadata.ts'
import type { BackendDefinition, CallInfo } from '../routing/director.ts'
import type { MetadataChanges } from '../routing/field-changes.ts'
import { refusal } from '../routing/gate.ts'
import { answering } from '../routing/metadata-changes.ts'
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
    checkAdded(name, value)
    metadata[name] = [...(metadata[name] ?? []), value]
  }
  return metadata
}

function checkAdded(name: string, value: string): void {
  if (!mayChange(name)) throw new Error(`it adds ${JSON.stringify(name.slice(0, 64))}, which no service may say`)
  if (!isText(value)) throw new Error(`what it adds as ${name} is no text that metadata has`)
}

function isText(value: string): boolean {
  return /^(?:[!-~](?:[ -~]*[!-~])?)?$/.test(value)
}

/** What the proxy itself says begins with `x-grpc-verbatim-`. */
export function mayChange(name: string): boolean {
  if (name.startsWith('grpc-') || name.startsWith('x-grpc-verbatim-')) return false
  return /^[0-9a-z_.-]+$/.test(name) && !RESERVED.has(name)
}

/** Each is looked for in the headers of a response. Envoy lets a response have so many in all. */
const MAX_RESPONSE_HEADERS = 100

const NO_NAMES: ReadonlySet<string> = new Set()

function editOf({ name, value, action }: ResponseHeader): FieldEdits {
  const fields = [field(name, value)]
  if (action === 'append') return { names: NO_NAMES, fields }
  return { names: new Set([name]), fields, only: action === 'replace' ? undefined : action }
}

/**
 * What a service wants the client of a call that passes to get, beside what the backend answers.
 * @throws Error for what metadata cannot be
 */
export function answeredBy(headers: readonly ResponseHeader[]): MetadataChanges | undefined {
  if (headers.length === 0) return undefined
  if (headers.length > MAX_RESPONSE_HEADERS) throw new Error(`it adds more than ${MAX_RESPONSE_HEADERS} headers`)
  for (const { name, value } of headers) checkAdded(name, value)
  return answering(headers.map(editOf))
}

/**
 * The same for a call that it refuses. What metadata cannot be is left out: a refusal is one whatever else is said, and what
 * services say for HTTP (`content-type`) has no place in an answer of gRPC.
 */
export function refusedWith(headers: readonly ResponseHeader[]): readonly Field[] | undefined {
  const sendable = headers.filter(({ name, value }) => mayChange(name) && isText(value)).slice(0, MAX_RESPONSE_HEADERS)
  if (sendable.length === 0) return undefined
  return sendable.map(editOf).reduce<readonly Field[]>((fields, edits) => editFields(fields, edits), [])
}
