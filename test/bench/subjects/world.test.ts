import protobuf from 'protobufjs'
import t from 'tap'
import { commandOf } from '../../../bench/subjects/installed.ts'
import {
  BULK_BYTES,
  BULK_PATH,
  grpcMessage,
  NGHTTPD,
  openWorld,
  SMALL_BYTES,
  SMALL_PATH,
} from '../../../bench/subjects/world.ts'
import { oneCall } from './one-call.ts'

t.test('a message of any size is Protocol Buffers behind its prefix', async t => {
  // 132 to 136, and 16,390 on: where the length of the field takes a byte more.
  const sizes = [7, 8, SMALL_BYTES, 132, 133, 134, 135, 136, 16_389, 16_390, 16_391, 16_392, 262_144, BULK_BYTES]
  for (const bytes of sizes) {
    const message = grpcMessage(bytes)
    t.equal(message.length, bytes)
    t.strictSame([message[0], message.readUInt32BE(1)], [0, bytes - 5], `the prefix of ${bytes}`)
    const reader = protobuf.Reader.create(message.subarray(5))
    t.equal(reader.uint32(), (1 << 3) | 2, 'field 1, with a length')
    reader.bytes()
    t.equal(reader.pos, bytes - 5, `nothing is left of ${bytes}`)
  }
  t.strictSame(grpcMessage(5), Buffer.alloc(5), 'the empty message')
})

t.test('no message has fewer than five bytes, or six', async t => {
  for (const bytes of [0, 4, 6]) t.throws(() => grpcMessage(bytes), { message: `no gRPC message has ${bytes} bytes` })
})

for (const backend of ['nghttpd', 'own'] as const) {
  const missing = backend === 'nghttpd' && commandOf(NGHTTPD) === undefined ? NGHTTPD.install : false
  t.test(`backends: ${backend}`, { skip: missing }, async t => {
    for (const tls of [false, true]) {
      const world = await openWorld({ backends: 2, tls, backend })
      t.teardown(() => world.close())
      t.equal(new Set(world.backends).size, 2)
      for (const port of world.backends) {
        for (const [path, bytes] of [
          [SMALL_PATH, SMALL_BYTES],
          [BULK_PATH, BULK_BYTES],
        ] as const) {
          const { httpStatus, contentType, body, grpcStatus } = await oneCall(port, path, world.tls)
          t.strictSame([httpStatus, contentType, grpcStatus], [200, 'application/grpc', '0'])
          t.ok(body.equals(grpcMessage(bytes)), `${bytes} bytes${tls ? ' by TLS' : ''}`)
        }
      }
      t.equal(world.lost(), undefined)
    }
  })
}

t.test('a backend that is gone is told', async t => {
  const world = await openWorld({ backends: 1, tls: false, backend: 'own' })
  t.equal(world.lost(), undefined)
  await world.close()
  t.match(world.lost(), /the backend itself ended/)
})
