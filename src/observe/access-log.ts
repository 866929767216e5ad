/** One line a call, when it is over. */
import type { Logger } from 'pino'
import type { CallObserver } from '../call/observer.ts'
import type { CallRecord } from '../call/record.ts'
import { statusName } from '../grpc/status.ts'
import { namesOf, recordAsJson, recordAsText, shownMetadata } from './access-format.ts'
import { type Advice, adviceOn } from './advice.ts'
import type { Repeats } from './repeats.ts'

/** Which calls have a line. Without any of the first three all have one; with several, one that holds is enough. */
export interface AccessRules {
  /** Calls that do not end with OK. */
  readonly errors?: boolean | undefined
  /** Calls that take longer. */
  readonly slowerThanMs?: number | undefined
  /** One of so many calls, by chance. */
  readonly oneIn?: number | undefined
  /** Of calls that fail alike some have a line, and the others are counted. */
  readonly boundFailures?: boolean | undefined
  /** Names of metadata whose values the line has. */
  readonly metadata?: readonly string[] | undefined
  /** Which fields a line has. Undefined: all. */
  readonly fields?: readonly string[] | undefined
  /** A line of text, with fields in braces, instead of JSON. */
  readonly format?: string | undefined
}

export interface AccessLogContext {
  readonly log: Logger
  /** Bounds the lines of calls that fail alike. */
  readonly repeats: Repeats
  /** A number from 0 up to 1. */
  readonly random: () => number
  /** Takes lines of text, each with its end. */
  readonly write: (line: string) => void
}

/** @returns undefined where the logger would drop the line: then nothing is counted for it either */
export function accessLog(rules: AccessRules, context: AccessLogContext): CallObserver | undefined {
  const { log: logger, repeats, random } = context
  if (!logger.isLevelEnabled('info')) return undefined
  const log = logOf(rules, context)
  const takesAll = rules.errors !== true && rules.slowerThanMs === undefined && rules.oneIn === undefined
  return {
    onEnd(record) {
      if (!takesAll && !isTaken(record, rules, random)) return
      if (rules.boundFailures !== true || record.status === 0 || isAdmitted(record, repeats)) {
        log(record)
      }
    },
  }
}

function logOf(
  { format, fields, metadata }: AccessRules,
  { log, write }: AccessLogContext,
): (record: CallRecord) => void {
  if (format !== undefined) {
    const text = recordAsText(format)
    return record => write(`${text(record)}\n`)
  }
  const json = recordAsJson(fields)
  if (metadata === undefined) return record => log.info(json(record), 'call')
  const names = namesOf(metadata)
  return record => log.info({ ...json(record), metadata: shownMetadata(record, names) }, 'call')
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
