/**
 * `traceparent` and `tracestate` (W3C Trace Context Level 2), read and written.
 *
 * What does not keep to the rules is as if it had not come: "If the vendor failed to parse traceparent, it MUST NOT attempt
 * to parse tracestate. Note that the opposite is not true".
 */

/** Of `trace-flags`; "The behavior of other flags […] is not defined and is reserved for future use." */
export const SAMPLED = 0x01
/** The last seven bytes of the trace id are random, so that one can sample by them. */
export const RANDOM = 0x02
const KNOWN_FLAGS = SAMPLED | RANDOM

/** Where in a trace a request is, as its sender told it. */
export interface TraceContext {
  /** 32 digits, not all of them 0. */
  readonly traceId: string
  /** 16 digits, not all of them 0: the span that the request comes from. */
  readonly spanId: string
  readonly flags: number
  /** The members of `tracestate`, as they go on; empty where there is none. */
  readonly state: string
}

const TRACE_ID_AT = 3
const SPAN_ID_AT = 36
const FLAGS_AT = 53
const LENGTH = 55
const DASH = 0x2d

/** @returns undefined for what is no traceparent */
export function readTraceparent(text: string): Omit<TraceContext, 'state'> | undefined {
  // "If a higher version is detected, the implementation SHOULD try to parse it": what comes behind the flags is not read.
  const isFirstVersion = text.startsWith('00-')
  if (isFirstVersion ? text.length !== LENGTH : !mayBeLater(text)) return undefined
  if (text.charCodeAt(SPAN_ID_AT - 1) !== DASH || text.charCodeAt(FLAGS_AT - 1) !== DASH) return undefined
  if (!isId(text, TRACE_ID_AT, 32) || !isId(text, SPAN_ID_AT, 16) || !isHex(text, FLAGS_AT, 2)) return undefined
  return {
    traceId: traceIdOf(text),
    spanId: spanIdOf(text),
    flags: Number.parseInt(text.slice(FLAGS_AT, LENGTH), 16) & KNOWN_FLAGS,
  }
}

/** Of a traceparent that is one. */
export function traceIdOf(text: string): string {
  return text.slice(TRACE_ID_AT, TRACE_ID_AT + 32)
}

/** Of a traceparent that is one. */
export function spanIdOf(text: string): string {
  return text.slice(SPAN_ID_AT, SPAN_ID_AT + 16)
}

/** "Version ff is invalid"; what is added in later versions comes behind another dash. */
function mayBeLater(text: string): boolean {
  if (!isHex(text, 0, 2) || text.startsWith('ff') || text.charCodeAt(2) !== DASH) return false
  return text.length === LENGTH || (text.length > LENGTH && text.charCodeAt(LENGTH) === DASH)
}

export function traceparentOf(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-0${flags & KNOWN_FLAGS}`
}

/** Whether there are so many digits of a number with base 16, in lower case, and not only zeros. */
export function isId(text: string, at: number, length: number): boolean {
  if (!isHex(text, at, length)) return false
  for (let i = at; i < at + length; i++) if (text.charCodeAt(i) !== 0x30 /* 0 */) return true
  return false
}

export function isHex(text: string, at: number, length: number): boolean {
  if (text.length < at + length) return false
  for (let i = at; i < at + length; i++) {
    const code = text.charCodeAt(i)
    if (!(code >= 0x30 && code <= 0x39) && !(code >= 0x61 && code <= 0x66)) return false
  }
  return true
}

/** "There can be a maximum of 32 list-members in a list." */
const MAX_MEMBERS = 32
/** "Vendors SHOULD propagate at least 512 characters of a combined header." No more goes on. */
export const MAX_STATE_CHARACTERS = 512
/** "Entries larger than 128 characters long SHOULD be removed first." */
const LARGE_MEMBER_CHARACTERS = 128
/** No list of 32 members can be longer, so that nobody makes us look at more: two times 256 characters, and signs between. */
const MAX_READ_CHARACTERS = MAX_MEMBERS * 516

/** `key=value`: the first two classes of characters are the key's, the others the value's, which ends with no space. */
const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/

/**
 * @param lists the values of all `tracestate` fields, in their order: they are one list
 * @returns what goes on of it; empty where there is nothing, or where a member breaks the rules
 */
export function readTracestate(lists: readonly string[]): string {
  const text = lists.length === 1 ? lists[0]! : lists.join(',')
  if (text.length > MAX_READ_CHARACTERS) return ''
  const members: string[] = []
  const keys = new Set<string>()
  for (const part of text.split(',')) {
    const member = withoutSpaces(part)
    // "Empty and whitespace-only list members are allowed."
    if (member === '') continue
    if (!MEMBER.test(member)) return ''
    const key = member.slice(0, member.indexOf('='))
    // "Only one entry per key is allowed": the first is the latest.
    if (keys.has(key)) continue
    keys.add(key)
    members.push(member)
  }
  return members.length > MAX_MEMBERS ? '' : shortened(members)
}

/** "Spaces and horizontal tabs surrounding list-members are ignored." A pattern for it takes quadratic time. */
function withoutSpaces(part: string): string {
  let start = 0
  let end = part.length
  while (start < end && isSpace(part, start)) start++
  while (end > start && isSpace(part, end - 1)) end--
  return part.slice(start, end)
}

function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code === 0x20 || code === 0x09
}

/** "The vendor MUST truncate whole entries": the large ones first, and then those at the end. */
function shortened(members: string[]): string {
  let length = members.reduce((sum, member) => sum + member.length + 1, -1)
  const drop = (i: number) => {
    length -= members[i]!.length + 1
    members.splice(i, 1)
  }
  for (let i = members.length - 1; i >= 0 && length > MAX_STATE_CHARACTERS; i--) {
    if (members[i]!.length > LARGE_MEMBER_CHARACTERS) drop(i)
  }
  while (length > MAX_STATE_CHARACTERS) drop(members.length - 1)
  return members.join(',')
}
