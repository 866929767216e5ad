/** Answers of a backend that end a mainstream client's connection, or once did. */
import { Flag, FrameType, writeFrame } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import type { RawConnection } from '../support/raw-connection.ts'
import { MESSAGE } from './odd-requests.ts'

export interface OddAnswer {
  readonly name: string
  send(connection: RawConnection, streamId: number): void
}

type Pair = readonly [name: string, value: string]

function literal(...pairs: readonly Pair[]): Field[] {
  return pairs.map(([name, value]) => [name, value, 'literal'])
}

const TYPE: Pair = ['content-type', 'application/grpc']
const HEAD = literal([':status', '200'], TYPE)
const TRAILERS = literal(['grpc-status', '0'])

/** A whole answer, some of it changed. */
export function answer(
  connection: RawConnection,
  streamId: number,
  head = HEAD,
  trailers = TRAILERS,
  body = MESSAGE,
): void {
  connection.socket.cork()
  connection.headers(streamId, head)
  connection.data(streamId, body)
  connection.headers(streamId, trailers, { endStream: true })
  connection.socket.uncork()
}

/** What an answer begins with; its end is for later. */
export function beginAnswer(connection: RawConnection, streamId: number): void {
  connection.headers(streamId, HEAD)
}

export function endAnswer(connection: RawConnection, streamId: number): void {
  connection.data(streamId, MESSAGE)
  connection.headers(streamId, TRAILERS, { endStream: true })
}

function head(name: string, ...more: readonly Pair[]): OddAnswer {
  return { name: `headers: ${name}`, send: (connection, id) => answer(connection, id, [...HEAD, ...literal(...more)]) }
}

function trailers(name: string, ...more: readonly Pair[]): OddAnswer {
  const send = (connection: RawConnection, id: number): void =>
    answer(connection, id, HEAD, [...TRAILERS, ...literal(...more)])
  return { name: `trailers: ${name}`, send }
}

function onlyTrailers(name: string, ...all: readonly Pair[]): OddAnswer {
  return { name: `trailers: ${name}`, send: (connection, id) => answer(connection, id, HEAD, literal(...all)) }
}

function whole(name: string, ...all: readonly Pair[]): OddAnswer {
  return { name: `headers: ${name}`, send: (connection, id) => answer(connection, id, literal(...all)) }
}

function both(name: string, ...more: readonly Pair[]): OddAnswer[] {
  return [head(name, ...more), trailers(name, ...more)]
}

/** Informational answers before the real one. */
function informational(status: string, count: number): OddAnswer {
  const send = (connection: RawConnection, id: number): void => {
    for (let i = 0; i < count; i++) connection.headers(id, literal([':status', status]))
    answer(connection, id)
  }
  return { name: `${status}, ${count} times`, send }
}

function padded(connection: RawConnection, streamId: number): void {
  connection.headers(streamId, HEAD)
  const payload = Buffer.concat([Buffer.from([10]), MESSAGE, Buffer.alloc(10)])
  connection.raw(writeFrame({ type: FrameType.DATA, flags: Flag.PADDED, streamId, payload }))
  connection.headers(streamId, TRAILERS, { endStream: true })
}

function inPieces(connection: RawConnection, streamId: number, between: () => void): void {
  connection.headers(streamId, HEAD)
  for (let at = 0; at < MESSAGE.length; at++) {
    between()
    connection.data(streamId, MESSAGE.subarray(at, at + 1))
  }
  connection.headers(streamId, TRAILERS, { endStream: true })
}

const many = (count: number, size: number): Pair[] =>
  Array.from({ length: count }, (_, i) => [`x-${i}`, 'v'.repeat(size)])
const hex = (byte: number): string => byte.toString(16).padStart(2, '0')
const BAD_VALUE_BYTES = [0x00, 0x01, 0x0a, 0x0d, 0x1f, 0x7f]
const BAD_NAMES = ['', 'X-A', 'x a', 'x(a', 'x\xffa', ':x', ':path']
const BAD_STATUSES = ['', '99', '099', '000', '800', '999', '1000', 'abc', '20\xff', '404']
const SIZES_KB = [7, 9, 17, 20, 60, 70, 150, 300, 1_100]
const EMPTY_FRAMES = 30

export const ODD_ANSWERS: readonly OddAnswer[] = [
  { name: 'as usual', send: answer },
  ...BAD_VALUE_BYTES.flatMap(byte => both(`value with 0x${hex(byte)}`, ['x-a', `a${String.fromCharCode(byte)}b`])),
  ...both('value with 0xff', ['x-a', 'a\xff']),
  ...both('spaces at the edges', ['x-a', ' v ']),
  ...BAD_NAMES.flatMap(name => both(`name ${JSON.stringify(name)}`, [name, 'v'])),
  ...both('-bin that is not base64', ['x-bin', '!!!']),
  trailers('grpc-status-details-bin that is not base64', ['grpc-status-details-bin', '!!!']),
  onlyTrailers('grpc-message that is not ASCII', ['grpc-status', '3'], ['grpc-message', 'a\xff b%zz%']),
  onlyTrailers('grpc-message with spaces at its edges', ['grpc-status', '3'], ['grpc-message', ' missing field: ']),
  onlyTrailers('grpc-status that is no number', ['grpc-status', 'x']),
  onlyTrailers('grpc-status 99', ['grpc-status', '99']),
  trailers('grpc-status twice', ['grpc-status', '0']),
  onlyTrailers('empty'),
  ...['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te'].map(name => head(name, [name, 'x'])),
  ...BAD_STATUSES.map(status => whole(`:status ${JSON.stringify(status)}`, [':status', status], TYPE)),
  whole('no :status', TYPE),
  whole(':status twice', [':status', '200'], [':status', '200'], TYPE),
  whole(':status behind others', TYPE, [':status', '200']),
  whole(':status 204 with DATA', [':status', '204'], TYPE),
  whole(':status 304 with DATA', [':status', '304'], TYPE),
  trailers(':status', [':status', '200']),
  informational('100', 1),
  informational('101', 1),
  informational('103', 20),
  { name: '103 with END_STREAM', send: (c, id) => c.headers(id, literal([':status', '103']), { endStream: true }) },
  whole('no content-type', [':status', '200']),
  whole('content-type text', [':status', '200'], ['content-type', 'text/html']),
  ...['3', '99', 'x'].map(length => head(`content-length ${length} of 9`, ['content-length', length])),
  head('content-length twice', ['content-length', '9'], ['content-length', '9']),
  {
    name: 'content-length with Trailers-Only',
    send: (c, id) => c.headers(id, [...HEAD, ...TRAILERS, ...literal(['content-length', '9'])], { endStream: true }),
  },
  head('grpc-encoding that is none', ['grpc-encoding', 'zz']),
  {
    name: 'DATA before HEADERS',
    send: (c, id) => {
      c.data(id, MESSAGE)
      answer(c, id)
    },
  },
  {
    name: 'three blocks of HEADERS',
    send: (c, id) => {
      c.headers(id, HEAD)
      c.headers(id, literal(['x-a', 'b']))
      endAnswer(c, id)
    },
  },
  {
    name: 'trailers without END_STREAM',
    send: (c, id) => {
      c.headers(id, HEAD)
      c.data(id, MESSAGE)
      c.headers(id, TRAILERS)
      c.data(id, '', { endStream: true })
    },
  },
  {
    name: 'HEADERS after the end',
    send: (c, id) => {
      answer(c, id)
      c.headers(id, TRAILERS, { endStream: true })
    },
  },
  {
    name: 'DATA after the end',
    send: (c, id) => {
      answer(c, id)
      c.data(id, 'x')
    },
  },
  {
    name: 'END_STREAM on DATA',
    send: (c, id) => {
      c.headers(id, HEAD)
      c.data(id, MESSAGE, { endStream: true })
    },
  },
  { name: 'a message that is cut', send: (c, id) => answer(c, id, HEAD, TRAILERS, MESSAGE.subarray(0, 7)) },
  {
    name: 'a message of 4 GB, it says',
    send: (c, id) => answer(c, id, HEAD, TRAILERS, Buffer.from('\0\xff\xff\xff\xffping', 'latin1')),
  },
  { name: 'padded DATA', send: padded },
  { name: 'DATA of 1 byte', send: (c, id) => inPieces(c, id, () => {}) },
  {
    name: 'empty DATA between',
    send: (c, id) =>
      inPieces(c, id, () => {
        for (let i = 0; i < EMPTY_FRAMES; i++) c.data(id, '')
      }),
  },
  ...[0, 2, 7, 8, 99].map(code => ({
    name: `RST_STREAM ${code}`,
    send: (c: RawConnection, id: number): void => c.rst(id, code),
  })),
  {
    name: 'HEADERS, then RST_STREAM',
    send: (c, id) => {
      c.headers(id, HEAD)
      c.rst(id, 2)
    },
  },
  {
    name: 'an answer, then RST_STREAM',
    send: (c, id) => {
      answer(c, id)
      c.rst(id, 8)
    },
  },
  ...[130, 200, 1_000].map(count => head(`${count} fields`, ...many(count, 1))),
  ...SIZES_KB.flatMap(kb => both(`${kb} KB`, ['x-big', 'v'.repeat(kb * 1_000)])),
  ...both('60 KB in 60 values', ...many(60, 960)),
]
