/** What the record of a call has: the fields by name, all or some of them, as JSON or in a line of text. */
import type { CallRecord } from '../call/record.ts'
import { decodeMessage, statusName } from '../grpc/status.ts'
import { adviceOn } from './advice.ts'
import {
  bounded,
  MAX_MESSAGE_CHARACTERS,
  MAX_VALUE_CHARACTERS,
  shownAuthority,
  shownCause,
  shownPath,
  withoutQueryOf,
} from './log-fields.ts'

type Value = string | number | undefined

/** In the order of a line. What strangers sent is cut; undefined is left out. */
const FIELDS = {
  peer: record => record.peer,
  authority: record => shownAuthority(record.authority),
  path: record => shownPath(record.path),
  backend: record => record.backend,
  endpoint: record => record.endpoint,
  grpcStatus: record => (record.status < 0 ? 'none' : statusName(record.status)),
  grpcMessage: record => (record.message === '' ? undefined : shownMessage(record)),
  endedBy: record => record.endedBy,
  reason: record => (record.reason === '' ? undefined : record.reason),
  cause: record => shownCause(record.cause),
  problem: record => (record.reason === '' ? undefined : adviceOn(record.reason, record.cause).problem),
  advice: record => (record.reason === '' ? undefined : adviceOn(record.reason, record.cause).advice),
  timeoutMs: record => (record.timeoutMs === undefined ? undefined : microseconds(record.timeoutMs)),
  durationMs: record => microseconds(record.durationMs),
  requestBytes: record => record.request.bytes,
  requestMessages: record => record.request.messages,
  responseBytes: record => record.response.bytes,
  responseMessages: record => record.response.messages,
  retries: record => record.retries,
  requestId: record => record.requestId,
  traceId: record => record.trace?.traceId,
} satisfies Readonly<Record<string, (record: CallRecord) => Value>>

const METADATA = 'metadata:'
/** Beside these a line of text has the time of its end. */
const TIME = 'time'

export const ACCESS_FIELDS: readonly string[] = Object.keys(FIELDS)

function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** A character takes up to nine characters here (three octets of UTF-8, each as %XX): no more than this is shown. */
const MAX_ENCODED_CHARACTERS = 9 * MAX_MESSAGE_CHARACTERS + 1

function shownMessage({ message, path }: CallRecord): string {
  const text = decodeMessage(message.slice(0, MAX_ENCODED_CHARACTERS))
  return bounded(withoutQueryOf(path, text), MAX_MESSAGE_CHARACTERS)
}

/** @returns what is wrong with the name of a field, in words */
export function wrongField(name: string): string | undefined {
  if (Object.hasOwn(FIELDS, name) || name === TIME) return undefined
  if (name.startsWith(METADATA) && /^[0-9a-z_.-]+$/.test(name.slice(METADATA.length))) return undefined
  return `unknown field ${JSON.stringify(name)}; known here: ${[TIME, ...ACCESS_FIELDS].join(', ')}, ${METADATA}NAME`
}

/** Names of fields between the literal parts of a format. */
const PART = /\{([^{}]*)\}/

/** @returns what is wrong with a format, in words */
export function wrongFormat(format: string): string | undefined {
  const parts = format.split(PART)
  for (const [i, part] of parts.entries()) {
    const wrong = i % 2 === 1 ? wrongField(part) : /[{}]/.test(part) ? 'a brace is missing its other half' : undefined
    if (wrong !== undefined) return wrong
  }
  return parts.length === 1 ? 'has no field: write {path} for the path of the call' : undefined
}

/** What is shown of one field of a record. */
type Reader = (record: CallRecord) => Value

function readerOf(name: string): Reader {
  if (name === TIME) return () => new Date().toISOString()
  if (name.startsWith(METADATA)) {
    const names = namesOf([name.slice(METADATA.length)])
    return record => shownMetadata(record, names)[name.slice(METADATA.length)]
  }
  return FIELDS[name as keyof typeof FIELDS]
}

/** All of them. By name it would cost a fifth more of a line. */
function wholeRecord(record: CallRecord): object {
  return {
    peer: record.peer,
    authority: shownAuthority(record.authority),
    path: shownPath(record.path),
    backend: record.backend,
    endpoint: record.endpoint,
    grpcStatus: FIELDS.grpcStatus(record),
    grpcMessage: FIELDS.grpcMessage(record),
    endedBy: record.endedBy,
    reason: FIELDS.reason(record),
    cause: shownCause(record.cause),
    ...(record.reason === '' ? undefined : adviceOn(record.reason, record.cause)),
    timeoutMs: FIELDS.timeoutMs(record),
    durationMs: microseconds(record.durationMs),
    requestBytes: record.request.bytes,
    requestMessages: record.request.messages,
    responseBytes: record.response.bytes,
    responseMessages: record.response.messages,
    retries: record.retries,
    requestId: record.requestId,
    traceId: record.trace?.traceId,
  }
}

/** @param names undefined: all */
export function recordAsJson(names?: readonly string[]): (record: CallRecord) => object {
  if (names === undefined) return wholeRecord
  const readers = names.map(name => [name, readerOf(name)] as const)
  return record => {
    const line: Record<string, Value> = {}
    for (const [name, read] of readers) {
      const value = read(record)
      if (value !== undefined) line[name] = value
    }
    return line
  }
}

/** The text of a line, without its end. A value with spaces or anything else that is not plain is quoted as in JSON. */
export function recordAsText(format: string): (record: CallRecord) => string {
  const parts = format.split(PART).map((part, i) => (i % 2 === 1 ? readerOf(part) : part))
  return record => {
    let line = ''
    for (const part of parts) line += typeof part === 'string' ? part : plain(part(record))
    return line
  }
}

function plain(value: Value): string {
  if (value === undefined || value === '') return '-'
  const text = String(value)
  return /^[^\s"\\\p{C}]+$/u.test(text) ? text : JSON.stringify(text)
}

/** Names whose values are credentials: it is enough to know that they were there. */
const CREDENTIALS = /^(?:proxy-)?authorization$|cookie|password|secret|token|api-?key|-bin$/

/** By name, whether its values are not shown. */
export type ShownNames = ReadonlyMap<string, boolean>

export function namesOf(names: readonly string[]): ShownNames {
  return new Map(names.map(name => [name, CREDENTIALS.test(name)]))
}

export function shownMetadata({ fields }: CallRecord, names: ShownNames): Record<string, string> {
  const shown: Record<string, string> = {}
  for (const { name, value } of fields) {
    const isHidden = names.get(name)
    if (isHidden === undefined) continue
    const text = isHidden ? `[${value.length} characters]` : bounded(value, MAX_VALUE_CHARACTERS)
    shown[name] = bounded(Object.hasOwn(shown, name) ? `${shown[name]}, ${text}` : text, MAX_VALUE_CHARACTERS)
  }
  return shown
}
