/** Requests that no honest client sends, or few do: each of them ends a mainstream server's connection, or once did. */
import { Flag, FrameType, writeFrame } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import type { RawClient } from '../support/raw-client.ts'

export const ECHO = '/peers.Echo/Echo'
export const SLOW = '/peers.Echo/Slow'
/** A gRPC message: `ping`. */
export const MESSAGE = Buffer.from('\0\0\0\0\x04ping', 'latin1')

export interface OddRequest {
  readonly name: string
  /** @returns the stream's id */
  send(client: RawClient): number
}

type Pair = readonly [name: string, value: string]

const USUAL: readonly Pair[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', ECHO],
  [':authority', 'localhost'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
]

function literal(pairs: readonly Pair[]): Field[] {
  return pairs.map(([name, value]) => [name, value, 'literal'])
}

/** The usual fields, some of them changed or (with `undefined`) left out, and more behind them. */
export function requestFields(change: Record<string, string | undefined> = {}, more: readonly Pair[] = []): Field[] {
  const kept = USUAL.filter(([name]) => !(name in change) || change[name] !== undefined)
  return literal([...kept.map(([name, value]): Pair => [name, change[name] ?? value]), ...more])
}

/** HEADERS, one message and the end, in one write. */
export function wholeCall(client: RawClient, fields = requestFields(), body: Buffer = MESSAGE): number {
  client.socket.cork()
  const id = client.request(fields)
  client.data(id, body, { endStream: true })
  client.socket.uncork()
  return id
}

function fields(name: string, change: Record<string, string | undefined>, more: readonly Pair[] = []): OddRequest {
  const list = requestFields(change, more)
  return { name, send: client => wholeCall(client, list) }
}

function extra(name: string, ...more: readonly Pair[]): OddRequest {
  return fields(name, {}, more)
}

function body(name: string, bytes: string): OddRequest {
  return { name, send: client => wholeCall(client, requestFields(), Buffer.from(bytes, 'latin1')) }
}

function trailers(name: string, more: readonly Pair[], endStream = true): OddRequest {
  const send = (client: RawClient): number => {
    const id = client.request(requestFields())
    client.data(id, MESSAGE)
    client.headers(id, literal(more), { endStream })
    if (!endStream) client.data(id, '', { endStream: true })
    return id
  }
  return { name, send }
}

function padded(client: RawClient): number {
  const id = client.request(requestFields())
  const payload = Buffer.concat([Buffer.from([10]), MESSAGE, Buffer.alloc(10)])
  client.raw(writeFrame({ type: FrameType.DATA, flags: Flag.PADDED | Flag.END_STREAM, streamId: id, payload }))
  return id
}

const many = (count: number, size: number): Pair[] =>
  Array.from({ length: count }, (_, i) => [`x-${i}`, 'v'.repeat(size)])
const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
const BAD_VALUE_BYTES = [0x00, 0x01, 0x08, 0x0a, 0x0d, 0x1f, 0x7f]
const BAD_NAMES = [
  '',
  'X-A',
  'x a',
  'x(a',
  'x"a',
  'x/a',
  'x{a',
  'x:a',
  'x\xffa',
  'x\x01a',
  ':x',
  ':status',
  ':protocol',
]
const NOT_BASE64 = ['!!!', 'A', '-_-_', ' AAE ', 'AAE, AAE', 'AA E', '\xff\xfe']
const BAD_PATHS = ['', '*', 'peers.Echo/Echo', 'http://localhost/peers.Echo/Echo', '/a\x01', '/a b', '/a\x7f', '/a\xff']
const ODD_PATHS = ['/a<b>', '/a`b', '/a%zz', '/a/b?c#d', '//a/b', '/a', '/a/b/c', '/a"b', '/a\\b', '/a/{b}']
const BAD_AUTHORITIES = [
  '',
  'a\xffb',
  'a\x01b',
  'a b',
  'a/b',
  'a"b',
  'a<b',
  '[::1',
  '%zz',
  'u@h',
  'a:b',
  'a:99999',
  'a,b',
]
const BAD_METHODS = ['', 'a b', 'GET', 'CONNECT', 'G\xff']
const HOP = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']
const BAD_LENGTHS = ['3', '99', 'x', '-1', '9, 9', '99999999999999999999']

/** What belongs to malformed messages, and to those that only some call malformed. */
export const ODD_REQUESTS: readonly OddRequest[] = [
  trailers('trailers, an empty block', []),
  trailers('trailers', [['x-a', 'b']]),
  trailers('trailers with a pseudo-header', [[':path', '/x']]),
  trailers('HEADERS in the middle', [['x-a', 'b']], false),
  ...BAD_VALUE_BYTES.map(byte => extra(`value with 0x${hex(byte)}`, ['x-a', `a${String.fromCharCode(byte)}b`])),
  extra('value with 0xff', ['x-a', 'a\xff']),
  extra('value with spaces at its edges', ['x-a', ' v ']),
  extra('value with tabs at its edges', ['x-a', '\tv\t']),
  extra('empty value', ['x-a', '']),
  ...BAD_NAMES.map(name => extra(`name ${JSON.stringify(name)}`, [name, 'v'])),
  ...NOT_BASE64.map(value => extra(`-bin value ${JSON.stringify(value)}`, ['x-a-bin', value])),
  extra('grpc-tags-bin that is not base64', ['grpc-tags-bin', '!']),
  ...BAD_PATHS.map(path => fields(`path ${JSON.stringify(path)}`, { ':path': path })),
  ...ODD_PATHS.map(path => fields(`path ${JSON.stringify(path)}`, { ':path': path })),
  fields('no path', { ':path': undefined }),
  extra('path twice', [':path', ECHO]),
  ...BAD_AUTHORITIES.map(authority => fields(`authority ${JSON.stringify(authority)}`, { ':authority': authority })),
  fields('no authority', { ':authority': undefined }),
  fields('host instead of authority', { ':authority': undefined }, [['host', 'localhost']]),
  fields('host with a space', { ':authority': undefined }, [['host', 'a b']]),
  fields('two hosts', { ':authority': undefined }, [...[['host', 'a'] as Pair], ['host', 'b']]),
  extra('host besides', ['host', 'localhost']),
  extra('another host besides', ['host', 'other']),
  extra('host twice besides', ['host', 'localhost'], ['host', 'localhost']),
  ...BAD_METHODS.map(method => fields(`method ${JSON.stringify(method)}`, { ':method': method })),
  fields('no method', { ':method': undefined }),
  fields('no scheme', { ':scheme': undefined }),
  fields('scheme that is none', { ':scheme': '1:2' }),
  fields('no te', { te: undefined }),
  fields('te gzip', { te: 'gzip' }),
  extra('te twice', ['te', 'trailers']),
  ...HOP.map(name => extra(name, [name, 'x'])),
  extra('expect', ['expect', '100-continue']),
  fields('no content-type', { 'content-type': undefined }),
  fields('content-type text', { 'content-type': 'text/plain' }),
  extra('content-type twice', ['content-type', 'application/grpc']),
  ...BAD_LENGTHS.map(length => extra(`content-length ${length} of 9 bytes`, ['content-length', length])),
  extra('content-length twice', ['content-length', '9'], ['content-length', '9']),
  extra('content-length twice, different', ['content-length', '9'], ['content-length', '8']),
  {
    name: 'content-length without a body',
    send: client => client.request(requestFields({}, [['content-length', '99']]), { endStream: true }),
  },
  extra('grpc-timeout that is none', ['grpc-timeout', 'x']),
  extra('grpc-encoding that is none', ['grpc-encoding', 'zz']),
  extra('grpc-status in a request', ['grpc-status', '0']),
  extra('cookies', ['cookie', 'a=b'], ['cookie', 'c=d'], ['cookie', 'e=f']),
  { name: 'padded DATA', send: padded },
  { name: 'no message', send: client => client.request(requestFields(), { endStream: true }) },
  body('a message that is cut', '\0\0\0\0\x09ping'),
  body('a message with the flag 9', '\x09\0\0\0\x04ping'),
  body('a message of 4 GB, it says', '\0\xff\xff\xff\xffping'),
]

/** Lists around what mainstream servers announce: 8,192 (grpc-java), 16,384 (tonic, grpcio); Node bears 65,535. */
export const BIG_REQUESTS: readonly OddRequest[] = [
  ...[7, 9, 17, 60, 70, 150, 300, 1_100].map(kb => extra(`one value of ${kb} KB`, ['x-a', 'v'.repeat(kb * 1_000)])),
  extra('60 KB in 60 values', ...many(60, 960)),
  ...[130, 200, 1_000, 4_000].map(count => extra(`${count} fields`, ...many(count, 1))),
  ...[9, 60].map(kb => fields(`a path of ${kb} KB`, { ':path': `/${'p'.repeat(kb * 1_000)}` })),
]
