/**
 * Gates: directors around a director. A gate may refuse a call, wait with it, or note something of it before it is routed,
 * and may add to the answer. They are composed once, when the configuration is read; a call runs through functions.
 *
 * ```
 *   call ──► gate ──► gate ──► director ──► target
 *              └─ GrpcError      └─ GrpcError, undefined
 * ```
 */
import type { Field } from '../grpc/metadata.ts'
import { GrpcError, Status, type StatusCode } from '../grpc/status.ts'
import type { CallInfo, Director, Target } from './director.ts'
import { withAnswering } from './metadata-changes.ts'
import type { Services } from './services.ts'

/**
 * A director around another: it calls `next`, or throws.
 * @param services what the proxy around has for gates, where there is one
 */
export interface Gate {
  (next: Director, services?: Services): Director
  /** Names of metadata that it vouches for. Beside other gates that may do instead of it, a client must not send them either. */
  readonly vouchesFor?: readonly string[]
  /** The keys of issuers that it fetches. */
  readonly fetches?: readonly KeyFetches[]
}

/** How the keys of an issuer are fetched. It is looked at when somebody reads. */
export interface KeyFetches {
  readonly issuer: string
  /** How often it went well, and how often not. */
  readonly fetched: number
  readonly failed: number
  /** Since it went well. Undefined: it never did. */
  readonly ageMs: number | undefined
}

/** Says what a gate vouches for. */
export function vouching(gate: Gate, vouchesFor: readonly string[]): Gate {
  return vouchesFor.length === 0 ? gate : Object.assign(gate, { vouchesFor })
}

/** A gate that is made of others, with what they say of themselves. */
function madeOf(gate: Gate, parts: readonly Gate[]): Gate {
  const fetches = parts.flatMap(part => part.fetches ?? [])
  return Object.assign(vouching(gate, namesOf(parts)), fetches.length > 0 && { fetches })
}

/** What gates of code are called that have no name in a configuration. */
export const NAMELESS = 'code'

/** A gate whose refusals have its name: of several, one within the other, that of the innermost. */
export function named(name: string, gate: Gate): Gate {
  const attribute = (thrown: unknown): never => {
    throw thrown instanceof Refusal && thrown.gate === undefined ? ofGate(thrown, name) : thrown
  }
  const wrapped: Gate = (next, services) => {
    const director = gate(next, services)
    return call => {
      try {
        const answer = director(call)
        return isPromise(answer) ? answer.then(target => target, attribute) : answer
      } catch (thrown) {
        return attribute(thrown)
      }
    }
  }
  return madeOf(wrapped, [gate])
}

/** Another one: gates share what they refuse with. */
function ofGate({ token, message, retryAfterMs, status, fields }: Refusal, gate: string): Refusal {
  return refusal(token, message, retryAfterMs, status, fields, gate)
}

function namesOf(gates: readonly Gate[]): readonly string[] {
  return gates.flatMap(gate => gate.vouchesFor ?? [])
}

type Answer = ReturnType<Director>

/** A director that asks these gates first, from the first to the last. */
export function through(gates: readonly Gate[], last: Director, services?: Services): Director {
  return gates.reduceRight((next, gate) => gate(next, services), last)
}

/** Uses an answer now, or later where it is a promise: an answer that is there costs no promise. */
export function onAnswer(answer: Answer, use: (target: Target | undefined) => Answer): Answer {
  return isPromise(answer) ? answer.then(use) : use(answer)
}

export function isPromise<T>(answer: T | Promise<T>): answer is Promise<T> {
  return typeof (answer as Promise<T> | undefined)?.then === 'function'
}

/** Ways in which a gate of the proxy refuses; `call/failure.ts` has their statuses. */
export type RefusalToken = 'unauthenticated' | 'forbidden' | 'rate-limited' | 'gate-failed' | 'fault-injected'

/**
 * A gate of the proxy refuses a call. The client learns the status and no more than that: what exactly is wrong helps who
 * guesses. The message is for the log.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly token: RefusalToken
  /** When another try may end otherwise, for `grpc-retry-pushback-ms` (gRFC A6). */
  readonly retryAfterMs: number | undefined
  /** Where the token does not say it. */
  readonly status: StatusCode | undefined
  /** What a service that was asked tells the client. */
  readonly fields: readonly Field[] | undefined
  /** The name of the gate that refuses, if it has one. */
  readonly gate: string | undefined

  constructor(
    token: RefusalToken,
    message: string,
    retryAfterMs?: number,
    status?: StatusCode,
    fields?: readonly Field[],
    gate?: string,
  ) {
    super(message)
    this.token = token
    this.retryAfterMs = retryAfterMs
    this.status = status
    this.fields = fields
    this.gate = gate
  }
}

/**
 * A refusal without a stack: to find out where it was made costs more than all else of a refused call, and that would help
 * who floods us.
 */
export function refusal(...given: ConstructorParameters<typeof Refusal>): Refusal {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new Refusal(...given)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** A call must pass all of them. */
export function allOf(gates: readonly Gate[]): Gate {
  return madeOf((next, services) => through(gates, next, services), gates)
}

/** What a gate adds to the target of a call that it lets pass. */
type Additions = Pick<Target, 'metadata' | 'removeMetadata' | 'changes'>

/** The end of a gate that is asked by itself: whoever comes here has passed. */
const PASSED: Target = Object.freeze({ backend: '' })

/**
 * A call must pass one of them; they are asked in order, up to the first that lets it pass. Where none does, the refusal is
 * that of the first which knew the caller, else that of the first.
 */
export function anyOf(gates: readonly Gate[]): Gate {
  const removeMetadata = namesOf(gates)
  const gate: Gate = (next, services) => {
    const pass = (call: CallInfo, passed: Target | undefined): Answer =>
      onAnswer(next(call), target => withAdditions(withAdditions(target, passed), { removeMetadata }))
    const asked = gates.map(gate => gate(() => PASSED, services))
    return call => {
      const from = (at: number, refusals: readonly unknown[]): Answer => {
        for (let i = at; i < asked.length; i++) {
          let answer: Answer
          try {
            answer = asked[i]!(call)
          } catch (thrown) {
            refusals = [...refusals, thrown]
            continue
          }
          if (!isPromise(answer)) return pass(call, answer)
          return answer.then(
            passed => pass(call, passed),
            thrown => from(i + 1, [...refusals, thrown]),
          )
        }
        throw mostTelling(refusals)
      }
      return from(0, [])
    }
  }
  return madeOf(gate, gates)
}

function mostTelling(refusals: readonly unknown[]): unknown {
  const told = refusals.filter(thrown => thrown instanceof Refusal || thrown instanceof GrpcError)
  // What else is thrown is a mistake, which somebody should learn of.
  if (told.length < refusals.length) return refusals.find(thrown => !told.includes(thrown as Refusal))
  const most = told.find(knewCaller) ?? told[0]
  if (told.length === 1 || !(most instanceof Refusal)) return most
  const message = told.map(({ message }) => message).join('; ')
  return refusal(most.token, message, most.retryAfterMs, most.status, most.fields, most.gate)
}

function knewCaller(thrown: Refusal | GrpcError): boolean {
  return thrown instanceof Refusal ? thrown.token !== 'unauthenticated' : thrown.status !== Status.UNAUTHENTICATED
}

/**
 * A target with what a gate vouches for, which takes the place of what a client sent under these names, and with what it has
 * made by `answering`.
 */
export function withAdditions(target: Target | undefined, added: Additions | undefined): Target | undefined {
  if (target == null || added === undefined) return target
  const { metadata, removeMetadata } = added
  const changes = withAnswering(target.changes, added.changes)
  if (metadata === undefined && !removeMetadata?.length && changes === target.changes) return target
  return {
    ...target,
    ...(changes !== undefined && { changes }),
    metadata: { ...target.metadata, ...metadata },
    removeMetadata: [...(target.removeMetadata ?? []), ...(removeMetadata ?? [])],
  }
}

/** Additions that do not change. A target with them is made once while calls with them go to one route, as most do. */
export class FixedAdditions {
  readonly #added: Additions
  #target: Target | undefined
  #answer: Target | undefined

  constructor(added: Additions) {
    this.#added = added
  }

  readonly to = (target: Target | undefined): Target | undefined => {
    if (target == null) return target
    if (target === this.#target) return this.#answer
    const answer = withAdditions(target, this.#added)!
    // A director may change an object that it has returned before.
    const { metadata, removeMetadata } = target
    if (![target, metadata, removeMetadata].every(Object.isFrozen)) return answer
    Object.freeze(answer.metadata)
    Object.freeze(answer.removeMetadata)
    this.#target = target
    this.#answer = Object.freeze(answer)
    return answer
  }
}
