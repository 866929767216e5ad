/**
 * What the proxy reads of a request's header block, and the few fields it may change on the way.
 * Everything else is forwarded as it came: order, duplicates, bytes.
 */

import type { CalledMethod } from './path.ts'

/** A header field, as the transports give it. */
export interface Field {
  readonly name: string
  readonly value: string
  readonly neverIndexed: boolean
}

/** A field of the proxy's own. */
export function field(name: string, value: string): Field {
  return { name, value, neverIndexed: false }
}

/** The fields of a request that the proxy acts on. */
export interface RequestHead {
  method: string
  /** Empty when absent. */
  path: string
  /** `:authority`; or `host` where only that was sent (RFC 9113 §8.3.1), or empty. */
  authority: string
  /** The last `host`, and how often there is one. */
  host: string
  hosts: number
  contentType: string
  /** `grpc-timeout` as it came. */
  timeout: string | undefined
  /** What `path` names, once it was read (`call/head-check.ts`). */
  called: CalledMethod | undefined
  /** Of the whole list, as SETTINGS_MAX_HEADER_LIST_SIZE counts them (RFC 9113 §6.5.2). */
  listBytes: number
}

export function readHead(block: readonly Field[]): RequestHead {
  const head: RequestHead = {
    method: '',
    path: '',
    authority: '',
    host: '',
    hosts: 0,
    contentType: '',
    timeout: undefined,
    called: undefined,
    listBytes: 32 * block.length,
  }
  for (let i = 0; i < block.length; i++) {
    const { name, value } = block[i]!
    head.listBytes += name.length + value.length
    switch (name) {
      case ':method':
        head.method = value
        break
      case ':path':
        head.path = value
        break
      case ':authority':
        head.authority = value
        break
      case 'host':
        head.host = value
        head.hosts++
        break
      case 'content-type':
        // With two fields the value is neither of them, so no known type.
        head.contentType = head.contentType === '' ? value : `${head.contentType}, ${value}`
        break
      case 'grpc-timeout':
        head.timeout = value
        break
    }
  }
  if (head.authority === '') head.authority = head.host
  return head
}

/** The first field of this name. */
export function firstValue(block: readonly Field[], name: string): string | undefined {
  for (let i = 0; i < block.length; i++) if (block[i]!.name === name) return block[i]!.value
  return undefined
}

const GRPC_TYPE = 'application/grpc'

/**
 * "If Content-Type does not begin with "application/grpc", gRPC servers SHOULD respond with HTTP
 * status of 415" (PROTOCOL-HTTP2.md, "Requests"). `application/grpc`, `application/grpc+proto`,
 * `application/grpc;charset=…`; not `application/grpc-web`, which is another protocol. Letters may be in any case
 * (RFC 9110 §8.3.1: type and subtype are "case-insensitive").
 */
export function isGrpcContentType(contentType: string): boolean {
  // Nearly all clients send this.
  if (contentType === GRPC_TYPE) return true
  if (!contentType.startsWith(GRPC_TYPE) && !startsLikeGrpc(contentType)) return false
  const next = contentType.charCodeAt(GRPC_TYPE.length)
  return Number.isNaN(next) || next === 0x2b /* + */ || next === 0x3b /* ; */ || next === 0x20
}

function startsLikeGrpc(contentType: string): boolean {
  return contentType.slice(0, GRPC_TYPE.length).toLowerCase() === GRPC_TYPE
}

/** The longest type in use has about 40 characters. An answer does not repeat a longer one. */
const MAX_ANSWERED_TYPE_CHARACTERS = 128

/**
 * The content type of an answer that the proxy makes: the request's own (`application/grpc+json`), as a client may
 * take no other; `application/grpc` where that is not gRPC's, is too long or is not printable ASCII.
 */
export function answerContentType(contentType: string): string {
  if (contentType === GRPC_TYPE) return GRPC_TYPE
  const repeatable = contentType.length <= MAX_ANSWERED_TYPE_CHARACTERS && /^[!-~](?:[ -~]*[!-~])?$/.test(contentType)
  return repeatable && isGrpcContentType(contentType) ? contentType : GRPC_TYPE
}

/** Fields that stand for all that a request has of some names, also of those that have no new one. */
export interface Replacement {
  readonly names: ReadonlySet<string>
  /** Whether the client has sent a field of these names. */
  readonly replaces: boolean
  readonly fields: readonly Field[]
}

/** A field of the proxy's, in the place of those that a client sent under its name. */
export interface AddedField extends Field {
  /** Those are dropped, and nothing takes their place. */
  readonly removes?: boolean
}

/** What a client sent under this name does not go on. */
export function removed(name: string): AddedField {
  return { ...field(name, ''), removes: true }
}

/** Fields that go, and fields that come behind the others. */
export interface FieldEdits {
  readonly names: ReadonlySet<string>
  readonly fields: readonly Field[]
  /** Nothing is changed unless some field has one of the names, or none has. */
  readonly only?: 'if-present' | 'if-absent' | undefined
}

/** All others stay as they are, in their order. */
export function editFields<F extends Field>(block: readonly F[], edits: FieldEdits): readonly (F | Field)[] {
  const { names, fields, only } = edits
  if (only !== undefined && block.some(({ name }) => names.has(name)) !== (only === 'if-present')) return block
  const out: (F | Field)[] = []
  for (let i = 0; i < block.length; i++) if (!names.has(block[i]!.name)) out.push(block[i]!)
  for (let i = 0; i < fields.length; i++) out.push(fields[i]!)
  return out
}

/** What differs between the block that came and the one that goes upstream. */
export interface RequestEdits {
  /** Of the upstream connection. */
  readonly scheme: 'http' | 'https'
  readonly authority: string | undefined
  /** Remaining time for `grpc-timeout`, which is added where the client sent none; undefined leaves it as it is. */
  readonly timeout: string | undefined
  /** Added at the end; a client's field of the same name is dropped. */
  readonly added: readonly AddedField[]
  /** Fields of these names are left out, also of those that are added. */
  readonly without?: ReadonlySet<string> | undefined
  /** The same, of one name. */
  readonly withoutName?: string | undefined
}

/** The block itself when nothing differs. */
export function editRequest<F extends Field>(block: readonly F[], edits: RequestEdits): readonly (F | Field)[] {
  const { without, withoutName } = edits
  const isSame = edits.authority === undefined && edits.timeout === undefined && without === undefined
  if (isSame && withoutName === undefined && edits.added.length === 0) {
    if (firstValue(block, ':scheme') === edits.scheme) return block
  }
  const out: (F | Field)[] = []
  let named = false
  let timed = false
  for (const field of block) {
    if (edits.added.length > 0 && hasName(edits.added, field.name)) continue
    if (without?.has(field.name) || field.name === withoutName) continue
    switch (field.name) {
      case ':scheme':
        out.push(withValue(field, edits.scheme))
        break
      case ':authority':
        named = true
        out.push(withValue(field, edits.authority))
        break
      case 'host':
        named = true
        // RFC 9113 §8.3.1: "A server SHOULD treat a request as malformed if it contains a Host
        // header field that identifies an entity that differs from … :authority".
        out.push(withValue(field, edits.authority))
        break
      case 'grpc-timeout':
        timed = true
        out.push(withValue(field, edits.timeout))
        break
      default:
        out.push(field)
    }
  }
  if (edits.authority !== undefined && !named) addAuthority(out, edits.authority)
  if (edits.timeout !== undefined && !timed) out.push(field('grpc-timeout', edits.timeout))
  for (const field of edits.added) {
    if (field.removes !== true && !without?.has(field.name) && field.name !== withoutName) out.push(field)
  }
  return out
}

function hasName(fields: readonly Field[], name: string): boolean {
  for (let i = 0; i < fields.length; i++) if (fields[i]!.name === name) return true
  return false
}

/**
 * Inserts `:authority` where the client sent neither that nor `host`. RFC 9113 §8.3: pseudo-header fields come before
 * all others.
 */
function addAuthority(block: Field[], value: string): void {
  let at = 0
  while (at < block.length && block[at]!.name.startsWith(':')) at++
  block.splice(at, 0, field(':authority', value))
}

function withValue<F extends Field>(field: F, value: string | undefined): F | Field {
  if (value === undefined || value === field.value) return field
  return { name: field.name, value, neverIndexed: field.neverIndexed }
}
