/** One line a call, when it is over. */
import type { Logger } from 'pino'
import type { CallObserver } from '../call/observer.ts'
import type { CallRecord } from '../call/record.ts'
import { decodeMessage, statusName } from '../grpc/status.ts'
import { type Advice, adviceOn } from './advice.ts'
import {
  bounded,
  MAX_MESSAGE_CHARACTERS,
  MAX_VALUE_CHARACTERS,
  shownAuthority,
  shownCause,
  shownPath,
  withoutQueryOf,
} from './log-fields.ts'
import type { Repeats } from './repeats.ts'

/** Which calls have a line. Without any of the first three all have one; with several, one that holds is enough. */
export interface AccessRules {
  /** Calls that do not end with OK. */
  readonly errors?: boolean | undefined
  /** Calls that take longer. */
  readonly slowerThanMs?: number | undefined
  /** One of so many calls, by chance. */
  readonly oneIn?: number | undefined
  /** Calls that fail alike have a line each, however many they are. */
  readonly everyFailure?: boolean | undefined
  /** Names of metadata whose values the line has. */
  readonly metadata?: readonly string[] | undefined
}

export interface AccessLogContext {
  readonly log: Logger
  /** Bounds the lines of calls that fail alike. */
  readonly repeats: Repeats
  /** A number from 0 up to 1. */
  readonly random: () => number
}

/** @returns undefined where the logger would drop the line: then nothing is counted for it either */
export function accessLog(rules: AccessRules, context: AccessLogContext): CallObserver | undefined {
  const { log: logger, repeats, random } = context
  if (!logger.isLevelEnabled('info')) return undefined
  const metadata = rules.metadata && new Map(rules.metadata.map(name => [name, CREDENTIALS.test(name)]))
  const takesAll = rules.errors !== true && rules.slowerThanMs === undefined && rules.oneIn === undefined
  return {
    onEnd(record) {
      if (!takesAll && !isTaken(record, rules, random)) return
      if (record.status === 0 || rules.everyFailure === true || isAdmitted(record, repeats)) {
        logEnd(logger, record, metadata)
      }
    },
  }
}

/** Made of names that the proxy knows, so that clients cannot make kinds. */
function isAdmitted({ backend, reason, status, endedBy, cause }: CallRecord, repeats: Repeats): boolean {
  const { problem } = reason === 'unreachable' ? adviceOn(reason, cause) : NO_ADVICE
  const key = `${backend}|${endedBy}|${reason}|${status}|${problem}`
  return repeats.admits(key, () => {
    const fields = { backend, grpcStatus: statusName(status), endedBy, reason: reason || undefined, problem }
    return { level: 'info', message: 'calls that ended alike', fields }
  })
}

const NO_ADVICE: Advice = {}

function isTaken({ status, durationMs }: CallRecord, rules: AccessRules, random: () => number): boolean {
  const { errors, slowerThanMs = Number.POSITIVE_INFINITY, oneIn } = rules
  return (errors === true && status !== 0) || durationMs > slowerThanMs || (oneIn !== undefined && random() * oneIn < 1)
}

function logEnd(logger: Logger, record: CallRecord, metadata: ShownNames | undefined): void {
  logger.info(
    {
      peer: record.peer,
      authority: shownAuthority(record.authority),
      path: shownPath(record.path),
      backend: record.backend,
      endpoint: record.endpoint,
      grpcStatus: record.status < 0 ? 'none' : statusName(record.status),
      grpcMessage: record.message === '' ? undefined : shownMessage(record),
      endedBy: record.endedBy,
      reason: record.reason === '' ? undefined : record.reason,
      cause: shownCause(record.cause),
      ...(record.reason === '' ? undefined : adviceOn(record.reason, record.cause)),
      timeoutMs: record.timeoutMs === undefined ? undefined : microseconds(record.timeoutMs),
      durationMs: microseconds(record.durationMs),
      requestBytes: record.request.bytes,
      requestMessages: record.request.messages,
      responseBytes: record.response.bytes,
      responseMessages: record.response.messages,
      retries: record.retries,
      traceId: record.trace?.traceId,
      metadata: metadata === undefined ? undefined : shownMetadata(record, metadata),
    },
    'call',
  )
}

function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** A character takes up to nine characters here (three octets of UTF-8, each as %XX): no more than this is shown. */
const MAX_ENCODED_CHARACTERS = 9 * MAX_MESSAGE_CHARACTERS + 1

function shownMessage({ message, path }: CallRecord): string {
  const text = decodeMessage(message.slice(0, MAX_ENCODED_CHARACTERS))
  return bounded(withoutQueryOf(path, text), MAX_MESSAGE_CHARACTERS)
}

/** Names whose values are credentials: it is enough to know that they were there. */
const CREDENTIALS = /^(?:proxy-)?authorization$|cookie|password|secret|token|api-?key/

/** By name, whether its values are not shown. */
type ShownNames = ReadonlyMap<string, boolean>

function shownMetadata({ fields }: CallRecord, names: ShownNames): Record<string, string> {
  const shown: Record<string, string> = {}
  for (const { name, value } of fields) {
    const isHidden = names.get(name)
    if (isHidden === undefined) continue
    const text = isHidden ? `[${value.length} characters]` : bounded(value, MAX_VALUE_CHARACTERS)
    shown[name] = bounded(Object.hasOwn(shown, name) ? `${shown[name]}, ${text}` : text, MAX_VALUE_CHARACTERS)
  }
  return shown
}
