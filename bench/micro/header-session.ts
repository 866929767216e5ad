/**
 * Sessions of header blocks: the kinds of calls that HPACK is measured with, and their octets as they are in the
 * steady state of a connection, where what repeats is in the tables.
 */
import { DEFAULT_TABLE_BYTES } from '../../src/wire/hpack/dynamic-table.ts'
import { HpackEncoder, maxEncodedBytes } from '../../src/wire/hpack/encoder.ts'
import { HeaderField, Mode } from '../../src/wire/hpack/header-field.ts'
import { internField, nameOf } from '../../src/wire/hpack/interning.ts'
import { type Field, HpackEncoder as PlainEncoder } from '../../test/support/hpack.ts'

/**
 * How many blocks a session has whose values are new in each block. Then it begins again. The decoder's caches keep
 * what they see twice while less than that passes; interning remembers 2,048 fields.
 */
export const FRESH_BLOCKS = 4_096

export type FieldList = readonly Field[]

export const REQUEST: FieldList = [
  [':method', 'POST', 'indexed'],
  [':scheme', 'http', 'indexed'],
  [':path', '/helloworld.Greeter/SayHello', 'indexed'],
  [':authority', 'greeter.example.com:50051', 'indexed'],
  ['content-type', 'application/grpc', 'indexed'],
  ['te', 'trailers', 'indexed'],
  ['user-agent', 'grpc-node-js/1.14.0', 'indexed'],
  ['grpc-accept-encoding', 'identity,deflate,gzip', 'indexed'],
]
/** The request as nghttp2's client sends it, where the path is never in the table. */
const H2LOAD: FieldList = REQUEST.map(([name, value]) => [name, value, name === ':path' ? 'literal' : 'indexed'])
/** The response of nghttpd. */
export const RESPONSE: FieldList = [
  [':status', '200', 'indexed'],
  ['server', 'nghttpd nghttp2/1.52.0', 'indexed'],
  ['cache-control', 'max-age=3600', 'indexed'],
  ['date', 'Sun, 22 Nov 2026 19:00:00 GMT', 'indexed'],
  ['content-length', '44', 'literal'],
  ['content-type', 'application/grpc', 'indexed'],
  ['trailer', 'grpc-status', 'indexed'],
]
export const TRAILERS: FieldList = [['grpc-status', '0', 'literal']]

/** V8 joins the parts of a string when it is first read, which must not happen in a timed run. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

let random = 12345
function characters(alphabet: string, length: number): string {
  const octets = Buffer.alloc(length)
  for (let i = 0; i < length; i++) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0
    octets[i] = alphabet.charCodeAt((random >>> 16) % alphabet.length)
  }
  return octets.toString('latin1')
}

/** 55 characters. */
export function traceparent(): string {
  const hex = '0123456789abcdef'
  return flat(`00-${characters(hex, 32)}-${characters(hex, 16)}-01`)
}
/** 900 characters, those of a JWT. */
export function bearer(): string {
  return flat(`Bearer ${characters('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 893)}`)
}
/** Characters whose Huffman codes are longer than an octet. */
export function dense(length: number): string {
  return characters('<>[]^{}|~', length)
}

/** Request fields that no two calls share. */
export function freshFields(how: 'literal' | 'incremental'): FieldList {
  return [
    ['grpc-timeout', `${characters('123456789', 6)}u`, how],
    ['traceparent', traceparent(), how],
  ]
}

export interface Kind {
  readonly name: string
  /** The lists of the session, in turn. A single list repeats; with more, each has new values. */
  readonly lists: readonly FieldList[]
  /** Whether strings stay as they are. Otherwise they are Huffman-coded where that is shorter, as most clients do. */
  readonly plain?: boolean
}

function fresh(make: () => FieldList): FieldList[] {
  return Array.from({ length: FRESH_BLOCKS }, make)
}

/** The kinds, made when they are asked for: some hold megabytes. */
export function kinds(): Kind[] {
  const token = bearer()
  const literals = fresh(() => [['traceparent', traceparent(), 'literal']])
  const tokens = fresh(() => [['authorization', bearer(), 'literal']])
  return [
    { name: 'request, 8 fields, all indexed', lists: [REQUEST] },
    { name: 'request, literal :path (h2load)', lists: [H2LOAD] },
    { name: 'response head of nghttpd', lists: [RESPONSE] },
    { name: 'trailers of nghttpd', lists: [TRAILERS] },
    {
      name: 'request + fresh timeout, traceparent, literal',
      lists: fresh(() => [...REQUEST, ...freshFields('literal')]),
    },
    {
      name: 'request + fresh timeout, traceparent, inserted',
      lists: fresh(() => [...REQUEST, ...freshFields('incremental')]),
    },
    { name: 'request + authorization 900 B, indexed', lists: [[...REQUEST, ['authorization', token, 'indexed']]] },
    { name: 'request + authorization 900 B, literal', lists: [[...REQUEST, ['authorization', token, 'literal']]] },
    { name: 'request + authorization 900 B, never', lists: [[...REQUEST, ['authorization', token, 'never']]] },
    {
      name: 'request + authorization 900 B, fresh literal',
      lists: fresh(() => [...REQUEST, ['authorization', bearer(), 'literal']]),
    },
    { name: 'one fresh literal of 55 B, Huffman-coded', lists: literals },
    { name: 'one fresh literal of 55 B, plain', lists: literals, plain: true },
    { name: 'one fresh literal of 900 B, Huffman-coded', lists: tokens },
    { name: 'one fresh literal of 900 B, plain', lists: tokens, plain: true },
  ]
}

/** A session's blocks: `opening` once, then `steady` again and again. */
export interface Session {
  readonly opening: readonly Buffer[]
  readonly steady: readonly Buffer[]
}

/**
 * A session of fresh values empties the tables whenever it begins again (two size updates of RFC 7541 §6.3 in one
 * block of thousands): so each round of it is the same, octet by octet.
 */
export function sessionOf({ lists, plain }: Kind): Session {
  const encoder = plain ? new Plain() : new Coded()
  if (lists.length === 1) return { opening: [encoder.encode(lists[0]!)], steady: [encoder.encode(lists[0]!)] }
  encoder.empty()
  return { opening: [], steady: lists.map(list => encoder.encode(list)) }
}

/** The tests' encoder, which does not know Huffman's code. */
class Plain {
  readonly #encoder = new PlainEncoder()
  encode(list: FieldList): Buffer {
    return this.#encoder.encode(list)
  }
  empty(): void {
    this.#encoder.resize(0)
    this.#encoder.resize(DEFAULT_TABLE_BYTES)
  }
}

class Coded {
  readonly #encoder = new HpackEncoder()
  encode(list: FieldList): Buffer {
    const fields = fieldsOf(list)
    const into = Buffer.alloc(maxEncodedBytes(fields))
    return into.subarray(0, this.#encoder.encode(fields, into, 0))
  }
  empty(): void {
    emptyTable(this.#encoder)
  }
}

/** The next block begins with the two size updates that empty the peer's table and ours. */
export function emptyTable(encoder: HpackEncoder): void {
  encoder.setLimit(0)
  encoder.setLimit(DEFAULT_TABLE_BYTES)
}

/** The fields are made from strings, so that none has octets that came from a wire. */
export function fieldsOf(list: FieldList): HeaderField[] {
  return list.map(([name, value, how]) => {
    const key = nameOf(name)
    if (how === 'literal') return new HeaderField(key, value, Mode.LITERAL)
    return how === 'never' ? new HeaderField(key, value, Mode.NEVER) : internField(key, value)
  })
}
