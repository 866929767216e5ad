/**
 * What a log line shows of the text of strangers: so much of it, and no secrets that are known to travel in it. One
 * peer pays a byte for a path that it sent before (HPACK), so that a line's length is the peer's to choose.
 */

/** Names of services and methods are well below; the longest in Google's public APIs has 130 characters. */
export const MAX_PATH_CHARACTERS = 256
/** A DNS name has 253 characters at most (RFC 1035 §2.3.4), and a port follows. */
export const MAX_AUTHORITY_CHARACTERS = 260
/** A sentence or two. */
export const MAX_MESSAGE_CHARACTERS = 256
/** An id of a request, a version, a tenant. */
export const MAX_VALUE_CHARACTERS = 256
/** Several endpoints, and what the system said of each. */
export const MAX_CAUSE_CHARACTERS = 512

/** Where something was left out. */
const CUT = '[cut]'

/** A stack of ten calls, as Node makes it. */
export const MAX_STACK_CHARACTERS = 4_096

/** @returns the text, or its beginning with a mark that more came */
export function bounded(text: string, maxCharacters: number): string {
  return text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters)}${CUT}`
}

/** What the system or a peer said of an end. @returns undefined for nothing, which pino leaves out */
export function shownCause(cause: string): string | undefined {
  return cause === '' ? undefined : bounded(cause, MAX_CAUSE_CHARACTERS)
}

/** What a terminal obeys, and what breaks a line or turns the direction of text. */
const OBEYED = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u
const EVERY_OBEYED = new RegExp(OBEYED, 'gu')

/** Text of strangers as plain text: with a bound, and with escapes for what a terminal obeys. */
export function shownText(text: string): string {
  const short = bounded(text, MAX_CAUSE_CHARACTERS)
  if (!OBEYED.test(short)) return short
  return short.replace(EVERY_OBEYED, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Without the query and the user's part of an absolute form, which may hold tokens and passwords. */
export function shownPath(path: string): string {
  const query = path.indexOf('?')
  let shown = query < 0 ? path : `${path.slice(0, query + 1)}${CUT}`
  if (!shown.startsWith('/')) shown = shown.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, `$1${CUT}@`)
  return bounded(shown, MAX_PATH_CHARACTERS)
}

/** A text that may repeat a path, as answers of our own do: it ends where that path's query begins. */
export function withoutQueryOf(path: string, text: string): string {
  const query = path.indexOf('?') + 1
  if (query === 0) return text
  const at = text.indexOf(path.slice(0, query))
  return at < 0 ? text : `${text.slice(0, at + query)}${CUT}`
}

/** Without the user's part: "userinfo … deprecated" and no part of a gRPC authority (RFC 9113 §8.3.1). */
export function shownAuthority(authority: string): string {
  const user = authority.lastIndexOf('@')
  return bounded(user < 0 ? authority : `${CUT}${authority.slice(user)}`, MAX_AUTHORITY_CHARACTERS)
}

/** What pino makes of an error, with bounds: its message may repeat what a client sent, and its stack repeats the message. */
export function shownError(serialized: unknown): unknown {
  // What was thrown may be anything.
  if (typeof serialized === 'string') return bounded(serialized, MAX_CAUSE_CHARACTERS)
  const { message, stack } = (serialized ?? {}) as { message?: unknown; stack?: unknown }
  if (typeof message !== 'string' || typeof stack !== 'string') return serialized
  const short = bounded(message, MAX_CAUSE_CHARACTERS)
  const shortStack = short === message ? stack : stack.replace(message, () => short)
  return Object.assign(serialized as object, { message: short, stack: bounded(shortStack, MAX_STACK_CHARACTERS) })
}
