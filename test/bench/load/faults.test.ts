/** A backend that answers wrong makes the load fail with a reason; it never reports a number. */
import t, { type Test } from 'tap'
import { load } from '../../../bench/load/load.ts'
import type { LoadOptions, Shape } from '../../../bench/load/shape.ts'
import { grpcMessage, SMALL_BYTES } from '../../../bench/subjects/world.ts'
import type { RawConnection } from '../../support/raw-connection.ts'
import { type Incoming, RawServer } from '../../support/raw-server.ts'
import { LARGER, runGenerator, SMALL } from './rig.ts'

type Answering = (connection: RawConnection, streamId: number) => void

const MESSAGE = grpcMessage(SMALL_BYTES)
/** Its last byte is another. */
const SCRAMBLED = Buffer.concat([MESSAGE.subarray(0, 38), Buffer.from([MESSAGE[38]! ^ 1])])
const HEADERS = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
] as const
const good: Answering = (connection, id) => {
  connection.headers(id, HEADERS)
  connection.data(id, MESSAGE)
  connection.headers(id, [['grpc-status', '0']], { endStream: true })
}

interface Fault {
  readonly name: string
  readonly answer: Answering
  readonly reason: RegExp
}

const withBytes =
  (...pieces: Buffer[]): Answering =>
  (connection, id) => {
    connection.headers(id, HEADERS)
    for (const piece of pieces) connection.data(id, piece)
    connection.headers(id, [['grpc-status', '0']], { endStream: true })
  }

const FAULTS: readonly Fault[] = [
  { name: 'a byte less', answer: withBytes(MESSAGE.subarray(0, 38)), reason: /38 bytes came instead of 39/ },
  { name: 'a byte more', answer: withBytes(MESSAGE, Buffer.alloc(1)), reason: /40 bytes came instead of 39/ },
  { name: 'no byte', answer: withBytes(), reason: /0 bytes came instead of 39/ },
  {
    name: 'the wrong length in the prefix, in pieces',
    answer: withBytes(Buffer.from([0, 0, 0]), Buffer.from([0, 33]), MESSAGE.subarray(5)),
    reason: /prefix/,
  },
  {
    name: 'a payload of other bytes',
    answer: withBytes(SCRAMBLED),
    reason: /the payload of message 1 has .* at byte 38/,
  },
  {
    name: 'a payload of other bytes, in pieces',
    answer: withBytes(SCRAMBLED.subarray(0, 20), SCRAMBLED.subarray(20)),
    reason: /the payload of message 1 has .* at byte 38/,
  },
  {
    name: 'a grpc-status',
    answer: (connection, id) => {
      connection.headers(id, HEADERS)
      connection.data(id, MESSAGE)
      connection.headers(
        id,
        [
          ['grpc-status', '14'],
          ['grpc-message', 'no one'],
        ],
        { endStream: true },
      )
    },
    reason: /grpc-status 14.*no one/,
  },
  {
    name: 'a grpc-status without more',
    answer: (connection, id) => connection.headers(id, [...HEADERS, ['grpc-status', '8']], { endStream: true }),
    reason: /grpc-status 8/,
  },
  {
    name: 'an HTTP status',
    answer: (connection, id) => connection.headers(id, [[':status', '503']], { endStream: true }),
    reason: /:status 503/,
  },
  {
    name: 'RST_STREAM',
    answer: (connection, id) => connection.rst(id, 2),
    reason: /RST_STREAM INTERNAL_ERROR/,
  },
  {
    name: 'RST_STREAM after half of it',
    answer: (connection, id) => {
      connection.headers(id, HEADERS)
      connection.data(id, MESSAGE.subarray(0, 20))
      connection.rst(id, 8)
    },
    reason: /RST_STREAM CANCEL/,
  },
  {
    name: 'no trailers',
    answer: (connection, id) => {
      connection.headers(id, HEADERS)
      connection.data(id, MESSAGE, { endStream: true })
    },
    reason: /no trailers/,
  },
  {
    name: 'trailers without a status',
    answer: (connection, id) => {
      connection.headers(id, HEADERS)
      connection.data(id, MESSAGE)
      connection.headers(id, [['x-other', '0']], { endStream: true })
    },
    reason: /grpc-status undefined/,
  },
  { name: 'the end of the connection', answer: connection => connection.destroy(), reason: /closed|ECONNRESET/ },
  { name: 'GOAWAY', answer: connection => connection.goaway(0, 11), reason: /GOAWAY|ENHANCE_YOUR_CALM/ },
  { name: 'bytes that are not HTTP/2', answer: connection => connection.raw(Buffer.alloc(64, 255)), reason: /./ },
]

/** Whose tenth call gets that answer; the others a good one. */
async function faulty(t: Test, answer: Answering): Promise<number> {
  const server = await RawServer.listen(t)
  const serve = async (): Promise<void> => {
    for (let number = 1; ; number++) {
      const request: Incoming = await server.request()
      const respond = (): void => (number === 10 ? answer : good)(request.connection, request.streamId)
      if (request.headers.endStream) respond()
      else void request.connection.ended(request.streamId).then(respond, () => {})
    }
  }
  serve().catch(() => {})
  return server.port
}

const options = (port: number, shape: Shape): LoadOptions => ({
  port,
  connections: 1,
  shape,
  mode: { kind: 'closed', streams: 2, calls: 1_000 },
})

for (const [carrier, shape] of [
  ['images', SMALL],
  ['streams', LARGER],
] as const) {
  t.test(`calls from ${carrier}`, async t => {
    for (const { name, answer, reason } of FAULTS) {
      await t.test(name, async t => {
        await t.rejects(load(options(await faulty(t, answer), shape)), { message: reason })
      })
    }
    await t.test('all good', async t => {
      const report = await load({
        ...options(await faulty(t, good), shape),
        mode: { kind: 'closed', streams: 2, calls: 50 },
      })
      t.equal(report.calls, 50)
    })
  })
}

t.test('a message of a stream that is too long', async t => {
  const port = await faulty(t, (connection, id) => {
    connection.headers(id, HEADERS)
    connection.data(id, Buffer.concat([grpcMessage(39), grpcMessage(41), grpcMessage(37)]))
    connection.headers(id, [['grpc-status', '0']], { endStream: true })
  })
  const shape: Shape = { kind: 'server-stream', messages: 3, messageBytes: 39 }
  await t.rejects(load(options(port, shape)), { message: /./ })
})

t.test('modes other than the closed loop fail too', async t => {
  const answer = FAULTS[0]!.answer
  for (const mode of [
    { kind: 'open', rate: 500, seconds: 1, warmUpSeconds: 0 },
    { kind: 'connect', calls: 100 },
  ] as const) {
    await t.rejects(load({ ...options(await faulty(t, answer), SMALL), mode }), { message: /38 bytes came/ })
  }
})

t.test('the process ends with 1 and the reason, and without a report', async t => {
  for (const shape of [SMALL, LARGER]) {
    const { code, child } = await runGenerator(options(await faulty(t, FAULTS[0]!.answer), shape))
    t.equal(code, 1)
    t.match(child.complaint, /38 bytes came instead of 39/)
    t.notMatch(child.complaint, /calls/)
  }
})

t.test('nobody is there', async t => {
  const server = await RawServer.listen(t)
  const { port } = server
  await server.destroy()
  for (const shape of [SMALL, LARGER]) await t.rejects(load(options(port, shape)), { message: /ECONNREFUSED/ })
})

t.test('options that cannot be', async t => {
  const base = options(1, SMALL)
  const wrong: readonly [Partial<LoadOptions>, RegExp][] = [
    [{ connections: 0 }, /connections is 0/],
    [{ connections: 1.5 }, /connections is 1.5/],
    [{ mode: { kind: 'closed', streams: 0, calls: 1 } }, /streams is 0/],
    [{ mode: { kind: 'closed', streams: 1, calls: 0 } }, /calls is 0/],
    [{ mode: { kind: 'connect', calls: -1 } }, /calls is -1/],
    [{ mode: { kind: 'open', rate: 0, seconds: 1, warmUpSeconds: 0 } }, /0 calls a second/],
    [{ mode: { kind: 'open', rate: 1, seconds: 1e-9, warmUpSeconds: 0 } }, /no call is due/],
    [{ shape: { kind: 'unary', requestBytes: 4, responseBytes: 39 } }, /messages of 4 bytes/],
    [{ shape: { kind: 'unary', requestBytes: 39, responseBytes: 6 } }, /messages of 6 bytes/],
    [{ shape: { kind: 'duplex', messages: 0, messageBytes: 39 } }, /0 messages/],
    [{ headerBytes: 3 }, /headerBytes is 3/],
    [{ headerBytes: 100, headers: 'fresh' }, /headerBytes goes with headers 'same'/],
    [{ readBytesPerSecond: 0 }, /readBytesPerSecond is 0/],
    [{ readBytesPerSecond: 1e9 }, /readBytesPerSecond is 1000000000/],
    [{ tls: { ca: '/nowhere/ca.pem' } }, /nowhere/],
  ]
  for (const [part, message] of wrong) await t.rejects(load({ ...base, ...part }), { message }, JSON.stringify(part))
  t.equal((await runGenerator({ ...base, connections: 0 })).code, 1)
})
