/** Reports of load against protobufjs, at each place where they may break off, and with anything that may come instead. */
import fc from 'fast-check'
import protobuf from 'protobufjs'
import t from 'tap'
import { readLoadReport } from '../../src/grpc/load-report.ts'

/** xds/data/orca/v3/orca_load_report.proto. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  package xds.data.orca.v3;
  message OrcaLoadReport {
    double cpu_utilization = 1;
    double mem_utilization = 2;
    uint64 rps = 3;
    map<string, double> request_cost = 4;
    map<string, double> utilization = 5;
    double rps_fractional = 6;
    double eps = 7;
    map<string, double> named_metrics = 8;
    double application_utilization = 9;
  }`)
const OrcaLoadReport = root.lookupType('xds.data.orca.v3.OrcaLoadReport')

function encoded(report: object): Buffer {
  return Buffer.from(OrcaLoadReport.encode(OrcaLoadReport.create(report)).finish())
}

const read = (report: object) => readLoadReport(encoded(report).toString('base64'))

const FULL = {
  cpuUtilization: 0.3,
  memUtilization: 0.9,
  rps: 12,
  requestCost: { db: 3, cache: 0.5 },
  utilization: { disk: 0.25 },
  rpsFractional: 120.5,
  eps: 2.25,
  namedMetrics: { queue: 17, 'lock.wait': Number.NaN },
  applicationUtilization: 0.75,
}

t.test('what is needed of a report; the rest is passed over', async t => {
  t.same(read(FULL), { utilization: 0.75, callsPerSecond: 120.5, errorsPerSecond: 2.25 })
  const { applicationUtilization: _, ...processor } = FULL
  t.same(read(processor), { utilization: 0.3, callsPerSecond: 120.5, errorsPerSecond: 2.25 })
  t.same(readLoadReport(''), { utilization: 0, callsPerSecond: 0, errorsPerSecond: 0 }, 'an empty message')
  t.same(read({ rps: 2 ** 53 }), { utilization: 0, callsPerSecond: 0, errorsPerSecond: 0 })
})

t.test('base64 with padding, without it, and with the other alphabet', async t => {
  const bytes = encoded({ cpuUtilization: 0.1 + 0.2, namedMetrics: { '???>>>': 1 } })
  const texts = [bytes.toString('base64'), bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url')]
  t.ok(/[+/]/.test(texts[0]!))
  for (const text of texts) t.match(readLoadReport(text), { utilization: 0.1 + 0.2 }, text)
})

t.test('as protobufjs reads it: fields in any order, twice, unknown, of another type', async () => {
  const number = fc.double({ min: 0, max: 1e9, noNaN: true })
  const report = fc.record(
    {
      cpuUtilization: number,
      memUtilization: fc.double(),
      rps: fc.nat(),
      requestCost: fc.dictionary(fc.string(), fc.double(), { maxKeys: 4 }),
      rpsFractional: number,
      eps: number,
      applicationUtilization: number,
    },
    { requiredKeys: [] },
  )
  const unknown = fc.constantFrom(
    Buffer.from([0x50, 0x96, 0x01]), // field 10, a varint
    Buffer.from([0x0d, 1, 2, 3, 4]), // field 1 as fixed32: another type, so unknown
    Buffer.from([0x0a, 2, 9, 9]), // field 1 as bytes
    Buffer.from([0xf9, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3, 4, 5, 6, 7, 8]), // the highest field there is, fixed64
    Buffer.from([0x52, 0x80, 0x00]), // field 10, a length in two bytes that would fit into one
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(report.map(encoded), unknown), { maxLength: 5 }), parts => {
      const bytes = Buffer.concat(parts)
      const { cpuUtilization, rpsFractional, eps, applicationUtilization } = Object.assign(
        { cpuUtilization: 0, rpsFractional: 0, eps: 0, applicationUtilization: 0 },
        OrcaLoadReport.decode(Buffer.concat(parts.filter(part => part[0] !== 0x0d && part[0] !== 0x0a))),
      )
      const utilization = applicationUtilization > 0 ? applicationUtilization : cpuUtilization
      const expected = { utilization, callsPerSecond: rpsFractional, errorsPerSecond: eps }
      return JSON.stringify(readLoadReport(bytes.toString('base64'))) === JSON.stringify(expected)
    }),
  )
})

t.test('a report that breaks off within a field is none, at each place', async t => {
  const bytes = encoded(FULL)
  const ends = new Set<number>([0])
  const reader = protobuf.Reader.create(bytes)
  while (reader.pos < reader.len) {
    reader.skipType(reader.uint32() & 7)
    ends.add(reader.pos)
  }
  for (let length = 0; length <= bytes.length; length++) {
    const result = readLoadReport(bytes.subarray(0, length).toString('base64'))
    if (ends.has(length)) t.type(result, 'object', `${length}`)
    else t.equal(result, 'it is no protobuf message', `${length}`)
  }
})

t.test('what cannot be read is named', async t => {
  const fault = (bytes: readonly number[]) => readLoadReport(Buffer.from(bytes).toString('base64'))
  for (const value of [Number.NaN, -1, -1e-300, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    for (const field of ['cpuUtilization', 'rpsFractional', 'eps', 'applicationUtilization'])
      t.equal(read({ ...FULL, [field]: value }), 'a number is not possible', `${field} ${value}`)
  }
  for (const text of [
    '!',
    'CQAA AAAA',
    'A',
    'AAAAA',
    'CQ==CQ==',
    'C\u00e9AA',
    '{"cpu_utilization":0.3}',
    'cpu_utilization=0.3',
  ])
    t.equal(readLoadReport(text), 'it is not base64', text)
  for (const [what, bytes] of [
    ['field 0', [0x00, 0x00]],
    ['a group', [0x0b, 0x0c]],
    ['a wire type that there is not', [0x0e]],
    ['a tag of six bytes', [0xf8, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00]],
    ['a varint of eleven bytes', [0x50, ...new Array<number>(10).fill(0x80), 0x00]],
    ['a length beyond the end', [0x52, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a length without an end', [0x52, 0x80]],
  ] as const)
    t.equal(fault(bytes), 'it is no protobuf message', what)
})

t.test('a report of 1 MiB is not looked at', async t => {
  const text = encoded({ ...FULL, namedMetrics: { ['x'.repeat(2 ** 20)]: 1 } }).toString('base64')
  t.equal(readLoadReport(text), 'it is too long')
  t.equal(readLoadReport('A'.repeat(16_385)), 'it is too long')
  t.not(
    readLoadReport(encoded({ ...FULL, namedMetrics: { ['x'.repeat(12_000)]: 1 } }).toString('base64')),
    'it is too long',
  )
})

t.test('no text makes it throw', async () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.uint8Array().map(bytes => Buffer.from(bytes).toString('base64')),
      ),
      text => {
        const result = readLoadReport(text)
        return typeof result === 'string' || Object.values(result).every(value => value >= 0 && Number.isFinite(value))
      },
    ),
    { numRuns: 2_000 },
  )
})
