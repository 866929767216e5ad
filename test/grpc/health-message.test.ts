/** The messages of grpc.health.v1, against an encoder of somebody else, and bytes that are none. */
import protobuf from 'protobufjs'
import t from 'tap'
import {
  healthRequest,
  healthResponse,
  readHealthRequest,
  readHealthResponse,
  ServingStatus,
} from '../../src/grpc/health-message.ts'

const { root } = protobuf.parse(`
  syntax = "proto3";
  message HealthCheckRequest { string service = 1; }
  message HealthCheckResponse { int32 status = 1; }
  message LaterResponse {
    int32 status = 1; string reason = 2; fixed64 since = 3; fixed32 load = 4; int64 until = 500; repeated int32 codes = 6;
  }
`)
const Request = root.lookupType('HealthCheckRequest')
const Response = root.lookupType('HealthCheckResponse')
const Later = root.lookupType('LaterResponse')

t.test('a request is what protobufjs makes', async t => {
  for (const service of ['', 'a', 'pkg.Service', 'größe', 'x'.repeat(127), 'x'.repeat(128), 'x'.repeat(20_000)])
    t.same([...healthRequest(service)], [...Request.encode({ service }).finish()], service.slice(0, 20))
})

t.test('a request is read back, and what is none is told', async t => {
  for (const service of ['', 'a', 'pkg.Service', 'größe', 'x'.repeat(128), 'x'.repeat(4_000)])
    t.equal(readHealthRequest(Request.encode({ service }).finish()), service, service.slice(0, 20))
  t.equal(readHealthRequest(Buffer.from([0x0a, 1, 0x61, 0x0a, 1, 0x62])), 'b', 'of two names the last')
  t.equal(readHealthRequest(Buffer.from([0x10, 1, 0x0a, 1, 0x61])), 'a', 'behind a field of a later version')
  t.equal(readHealthRequest(Buffer.from([0x08, 1])), '', 'the same number with another encoding')
  const wrong = [[0x0a], [0x0a, 2, 0x61], [0x0a, 1, 0xff], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x61], [0x00], [0x0b]]
  for (const bytes of wrong) t.equal(readHealthRequest(Buffer.from(bytes)), undefined, bytes.join())
})

t.test('a response is what protobufjs makes', async t => {
  for (const status of [0, 1, 2, 3]) t.same([...healthResponse(status)], [...Response.encode({ status }).finish()])
})

t.test('a response is read', async t => {
  for (const status of [0, 1, 2, 3, 4, 127, 128, 2 ** 31 - 1, -1, -(2 ** 31)])
    t.equal(readHealthResponse(Response.encode({ status }).finish()), status, String(status))
  t.equal(readHealthResponse(new Uint8Array(0)), ServingStatus.UNKNOWN, 'proto3 does not send a 0')
})

t.test('fields of later versions are passed over', async t => {
  const later = { status: 1, reason: 'x'.repeat(300), since: 2 ** 40, load: 7, until: -1, codes: [1, 2, 300] }
  t.equal(readHealthResponse(Later.encode(later).finish()), 1)
  t.equal(readHealthResponse(Buffer.from([0x23, 0x08, 0x02, 0x24, 0x08, 0x01])), 1, 'a group, with a field of its own')
  t.equal(readHealthResponse(Buffer.from([0x08, 0x02, 0x08, 0x01])), 1, 'of two statuses the last')
  t.equal(readHealthResponse(Buffer.from([0x0a, 0x01, 0x41, 0x08, 0x01])), 1, 'the same number with another encoding')
})

t.test('bytes that are no message are told', async t => {
  const garbage: Record<string, number[]> = {
    'a tag without a value': [0x08],
    'a number that does not end': [0x08, 0x80],
    'a number of eleven bytes': [0x08, ...new Array<number>(10).fill(0x80), 0x01],
    'field 0': [0x00, 0x01],
    'a string longer than the message': [0x12, 0x05, 0x41],
    'a string of 4 GiB': [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
    'fixed64 that is cut': [0x19, 1, 2, 3],
    'fixed32 that is cut': [0x25, 1, 2, 3],
    'an encoding that there is not': [0x0e],
    'the end of a group that never began': [0x24],
    'a group without an end': [0x23, 0x08, 0x01],
    text: [...Buffer.from('<html><body>404</body></html>')],
  }
  for (const [what, bytes] of Object.entries(garbage)) t.equal(readHealthResponse(Buffer.from(bytes)), undefined, what)
})

t.test('no bytes make it throw or take long', async t => {
  let seed = 1
  const next = () => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
    return seed >>> 8
  }
  for (let round = 0; round < 20_000; round++) {
    const status = readHealthResponse(Uint8Array.from({ length: next() % 24 }, next))
    if (status !== undefined && !Number.isInteger(status)) t.fail(String(status))
  }
  const long = Buffer.alloc(1_048_576, 0x23)
  t.equal(readHealthResponse(long), undefined, '1 MiB of groups within groups')
})
