/**
 * What a route changes of metadata: of a request's, and of a response's headers and trailers. Nothing is decoded, and all
 * fields that are not named go on as they came. Read once; a call without changes costs a look at an undefined field.
 */
import { type Field, type FieldEdits, field } from '../grpc/metadata.ts'
import { fieldOnce, nameOf } from '../wire/hpack/interning.ts'
import type { CallInfo } from './director.ts'
import type { FieldChanges, MetadataChanges } from './field-changes.ts'
import { type Template, templateOf } from './template.ts'

/** The changes of one call. */
export interface CallEdits {
  readonly request: FieldEdits | undefined
  readonly response: FieldEdits | undefined
  readonly trailers: FieldEdits | undefined
  /** What gates have added to the response's headers, behind all else and in their order. */
  readonly answered?: readonly FieldEdits[] | undefined
}

/** Hop-by-hop fields (RFC 9113 §8.2.2), and those that say what the body is. */
const OF_PROTOCOL = new Set(
  'connection keep-alive proxy-connection transfer-encoding upgrade te host content-type content-length'.split(' '),
)

/** Such a name belongs to gRPC or HTTP/2, and nobody but the proxy changes it. */
export function isOfProtocol(name: string): boolean {
  return OF_PROTOCOL.has(name) || name.startsWith('grpc-') || name.startsWith(':')
}

/** Base64 with or without its padding; several values with commas between them (PROTOCOL-HTTP2.md). */
const BINARY = /^[A-Za-z0-9+/=,]*$/
/** As the configuration has it: RFC 9113 §8.2.1, and gRPC's "ASCII-Value". */
const NAME = /^[0-9a-z_.-]+$/
const VALUE = /^(?! )[ -~]*(?<! )$/

/** @returns what is wrong with a value that a route gives a field */
export function wrongChange(name: string, value: string): string | undefined {
  if (!VALUE.test(value)) return 'is printable ASCII without spaces at its ends'
  if (name.endsWith('-bin'))
    return BINARY.test(value) ? undefined : 'is base64, as the name ends with -bin; variables have no place in it'
  try {
    templateOf(value)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

type Part = keyof MetadataChanges
const PARTS: readonly Part[] = ['request', 'response', 'trailers']

type CompiledPart = FieldEdits | ((call: CallInfo, backend: string) => FieldEdits) | undefined
type Compiled = Readonly<Record<Part, CompiledPart>> & {
  /** Where they are the same for each call. */
  readonly same: CallEdits | undefined
  readonly answered?: readonly FieldEdits[] | undefined
}

/** Changes that were read and cannot change any more. */
const known = new WeakMap<MetadataChanges, Compiled>()

/**
 * Changes that can be used for any number of calls, and are read once.
 * @throws TypeError for a name or value that is not allowed
 */
export function defineChanges(changes: MetadataChanges): MetadataChanges {
  return remembered(changes, compile(changes))
}

/** @returns undefined where a route changes nothing */
export function changesOf(route: MetadataChanges): MetadataChanges | undefined {
  return PARTS.every(part => route[part] === undefined) ? undefined : defineChanges(route)
}

/**
 * A director in plain JavaScript may say anything. What `defineChanges` made is not read again.
 * @throws TypeError for a name or value that is not allowed
 */
export function editsOf(changes: MetadataChanges, call: CallInfo, backend: string): CallEdits {
  const compiled = known.get(changes) ?? compile(changes)
  if (compiled.same !== undefined) return compiled.same
  const of = (part: CompiledPart) => (typeof part === 'function' ? part(call, backend) : part)
  const { answered } = compiled
  return { request: of(compiled.request), response: of(compiled.response), trailers: of(compiled.trailers), answered }
}

const NO_CHANGES: Compiled = {
  request: undefined,
  response: undefined,
  trailers: undefined,
  same: { request: undefined, response: undefined, trailers: undefined },
}

/** What a gate has added to the headers of one response. Values are as they are: nothing in them is a variable. */
export function answering(answered: readonly FieldEdits[]): MetadataChanges {
  return remembered({}, { ...NO_CHANGES, answered, same: { ...NO_CHANGES.same!, answered } })
}

/**
 * Changes with what the second ones have of `answering`.
 * @throws TypeError for a name or value that is not allowed
 */
export function withAnswering(
  changes: MetadataChanges | undefined,
  added: MetadataChanges | undefined,
): MetadataChanges | undefined {
  const more = added && known.get(added)?.answered
  if (more === undefined) return changes
  const before = changes === undefined ? NO_CHANGES : (known.get(changes) ?? compile(changes))
  const answered = [...(before.answered ?? []), ...more]
  return remembered(changes ?? {}, { ...before, answered, same: before.same && { ...before.same, answered } })
}

function remembered({ request, response, trailers }: MetadataChanges, compiled: Compiled): MetadataChanges {
  const frozen = Object.freeze({ request, response, trailers })
  known.set(frozen, compiled)
  return frozen
}

function compile(changes: MetadataChanges): Compiled {
  const [request, response, trailers] = PARTS.map(part => compilePart(part, changes[part]))
  const depends = [request, response, trailers].some(part => typeof part === 'function')
  return { request, response, trailers, same: depends ? undefined : ({ request, response, trailers } as CallEdits) }
}

function compilePart(part: Part, changes: FieldChanges | undefined): CompiledPart {
  if (changes === undefined) return undefined
  const { set = {}, add = {}, remove = [] } = changes
  const names = new Set([...Object.keys(set), ...remove])
  for (const name of [...names, ...Object.keys(add)]) checkName(part, name)
  const makers = [...Object.entries(set), ...Object.entries(add)].flatMap(([name, values]) =>
    [values].flat().map(value => makerOf(part, name, value)),
  )
  if (makers.every(maker => typeof maker !== 'function')) return { names, fields: makers }
  return (call, backend) => {
    const fields: Field[] = []
    for (const maker of makers) {
      const made = typeof maker === 'function' ? maker(call, backend) : maker
      if (made !== undefined) fields.push(made)
    }
    return { names, fields }
  }
}

function checkName(part: Part, name: string): void {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new TypeError(`${part}: ${JSON.stringify(name)} is not a name of metadata in lower case`)
  }
  if (isOfProtocol(name)) throw new TypeError(`${part}: ${name} belongs to the protocol and is not changed`)
}

function makerOf(
  part: Part,
  name: string,
  value: unknown,
): Field | ((call: CallInfo, backend: string) => Field | undefined) {
  const wrong = typeof value === 'string' ? wrongChange(name, value) : 'is a text'
  if (wrong !== undefined) throw new TypeError(`${part}: the value of ${name} ${wrong}`)
  const text: string | Template = name.endsWith('-bin') ? (value as string) : templateOf(value as string)
  if (typeof text === 'string') return field(name, text)
  const key = nameOf(name)
  return (call, backend) => {
    const made = text(call, backend)
    return made === undefined ? undefined : fieldOnce(key, made)
  }
}
