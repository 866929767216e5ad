/**
 * Header lists of calls, made before the load begins. Fields travel as grpc-go sends them: all of them with
 * incremental indexing, Huffman-coded where that is shorter. So a field that differs each call fills the receiver's
 * table.
 */
import { HeaderField, Mode, nameOf } from '../../src/wire/index.ts'
import { type CallPlan, metadataOf } from './call-plan.ts'
import type { HeaderKind, LoadOptions } from './shape.ts'

/** What differs from call to call. */
export interface Freshness {
  readonly kind: HeaderKind
  /** The size of a fresh token, with `same`; 0 for none. */
  readonly tokenBytes: number
}

/** One list if all calls are the same, or else a ring that begins again after its last list. */
export type CallLists = readonly (readonly HeaderField[])[]

/** Different calls of all connections together: more than any cache of ours holds … */
const DIFFERENT_CALLS = 40_000
/** … of one connection, and the bytes of all of them, which bound the generator's memory. */
const MAX_RING = 4_000
const MAX_RING_BYTES = 40_000_000
/** With fewer a cache might hold them. */
const MIN_RING = 40
const TOKEN_BYTES = 900
const MAX_TOKEN_BYTES = 65_536
const SCHEME = 'Bearer '
/** The characters of a token that no other has. The rest is cut from one text. */
const UNIQUE = 12
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** RFC 7541 Appendix A: POST, http and https. */
const STATIC: Readonly<Record<string, number>> = { POST: 3, http: 6, https: 7 }

/** @throws RangeError for a number of bytes that no token can have, and for what does not go together */
export function freshnessOf({ headers = 'same', headerBytes, tokens }: LoadOptions): Freshness {
  if (tokens !== undefined && (headers !== 'same' || headerBytes !== undefined)) {
    throw new RangeError("tokens go with headers 'same' only, and without headerBytes")
  }
  if (headerBytes === undefined) return { kind: headers, tokenBytes: 0 }
  const least = SCHEME.length + UNIQUE
  if (headers !== 'same') throw new RangeError(`headerBytes goes with headers 'same' only, not with '${headers}'`)
  if (!Number.isInteger(headerBytes) || headerBytes < least || headerBytes > MAX_TOKEN_BYTES) {
    throw new RangeError(`headerBytes is ${headerBytes}: it must be a whole number from ${least} to ${MAX_TOKEN_BYTES}`)
  }
  return { kind: 'same', tokenBytes: headerBytes }
}

/** Makes the lists for the connections of a load, each time for another connection. */
export class CallFields {
  readonly #freshness: Freshness
  readonly #constant: readonly HeaderField[]
  readonly #ring: number
  readonly #random: () => number
  readonly #text: string
  readonly #tokens: readonly string[]
  #connections = 0

  constructor(plan: CallPlan, options: LoadOptions, random: () => number) {
    this.#freshness = freshnessOf(options)
    this.#random = random
    this.#constant = [
      [':method', 'POST'],
      [':scheme', options.tls === undefined ? 'http' : 'https'],
      [':path', plan.path],
      [':authority', `127.0.0.1:${options.port}`],
      ['content-type', 'application/grpc'],
      ['user-agent', 'grpc-go/1.75.0'],
      ['te', 'trailers'],
      ...metadataOf(plan),
    ].map(([name, value]) => indexed(name!, value!))
    const bytes = this.#freshness.tokenBytes || TOKEN_BYTES
    const most = Math.min(MAX_RING, DIFFERENT_CALLS / options.connections, MAX_RING_BYTES / options.connections / bytes)
    this.#ring = Math.max(MIN_RING, Math.floor(most))
    this.#tokens = options.tokens ?? []
    this.#text = this.#differs ? pick(LETTERS, 2 * Math.max(bytes, TOKEN_BYTES), random) : ''
  }

  get #differs(): boolean {
    return this.#freshness.kind !== 'same' || this.#freshness.tokenBytes > 0
  }

  /** The lists of one connection. */
  lists(): CallLists {
    const { kind, tokenBytes } = this.#freshness
    if (!this.#differs) return [this.#tokens.length === 0 ? this.#constant : [...this.#constant, this.#nextToken()]]
    const ring = Array.from({ length: this.#ring })
    if (kind === 'same') return ring.map(() => [...this.#constant, this.#token(tokenBytes)])
    const own = this.#token(TOKEN_BYTES)
    return ring.map(() => [
      ...this.#constant,
      indexed('grpc-timeout', `${Math.floor(59_000_000 + this.#random() * 1_000_000)}u`),
      indexed('traceparent', `00-${this.#hex(32)}-${this.#hex(16)}-01`),
      kind === 'token' ? own : this.#token(TOKEN_BYTES),
    ])
  }

  /** The next one of the tokens that were given. */
  #nextToken(): HeaderField {
    const token = this.#tokens[this.#connections++ % this.#tokens.length]!
    return indexed('authorization', `${SCHEME}${token}`)
  }

  #token(bytes: number): HeaderField {
    const rest = bytes - SCHEME.length - UNIQUE
    const from = Math.floor(this.#random() * (this.#text.length - rest))
    const unique = pick(LETTERS, UNIQUE, this.#random)
    return indexed('authorization', `${SCHEME}${unique}${this.#text.slice(from, from + rest)}`)
  }

  #hex(length: number): string {
    return pick('0123456789abcdef', length, this.#random)
  }
}

function indexed(name: string, value: string): HeaderField {
  const isStatic = name === ':method' || name === ':scheme'
  return new HeaderField(nameOf(name), value, Mode.INDEXED, isStatic ? STATIC[value] : 0)
}

function pick(letters: string, length: number, random: () => number): string {
  let text = ''
  while (text.length < length) text += letters[Math.floor(random() * letters.length)]
  return text
}
