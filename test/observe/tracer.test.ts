/** Calls as parts of traces: what backends are told, which calls are kept, and what their spans say. */
import fc from 'fast-check'
import t from 'tap'
import type { TraceFormat } from '../../src/observe/propagation.ts'
import type { HeaderBlock } from '../../src/transport/transport.ts'
import { CLIENT_CANCELS, NOTHING_LEFT, RESPONSE, request, TRAILERS } from '../call/rig.ts'
import { block } from '../support/fake-transport.ts'
import {
  ALL,
  attributesOf,
  CLIENT_SPAN,
  EPOCH_MS,
  hex,
  NONE,
  NOT_SAMPLED,
  SAMPLED,
  type SpanJson,
  TRACE,
  TraceRig,
  told,
} from './trace-rig.ts'

t.test('a sampled call: a span of the call under the span of its client, one of the attempt under that', async t => {
  const trace = new TraceRig()
  const up = trace.call({ traceparent: SAMPLED, tracestate: 'congo=t61rcWkgMzE', 'x-other': 'stays' })
  const [server, client] = trace.spans as [SpanJson, SpanJson]
  t.equal(trace.spans.length, 2)
  t.match(server, {
    traceId: TRACE,
    parentSpanId: CLIENT_SPAN,
    kind: 2,
    name: 'pkg.Service/Method',
    flags: 0x301,
    status: {},
  })
  t.match(client, { traceId: TRACE, parentSpanId: server.spanId, kind: 3, name: 'pkg.Service/Method', flags: 0x101 })
  t.equal(server.traceState, 'congo=t61rcWkgMzE')
  t.same(told(up), { traceparent: [`00-${TRACE}-${client.spanId}-01`], tracestate: ['congo=t61rcWkgMzE'] })
  const { block: sent } = up.sent[0] as { block: HeaderBlock }
  t.equal(sent.find(({ name }) => name === 'x-other')?.value, 'stays')
  t.same(
    trace.traces.map(all => [all?.traceId, all?.kept]),
    [[TRACE, true]],
  )
  t.same(trace.rig.left, NOTHING_LEFT)
})

t.test('what the spans say', async t => {
  const trace = new TraceRig()
  trace.rig.clock.advance(10)
  const { down } = trace.rig.open(request({ traceparent: SAMPLED }), true)
  trace.rig.clock.advance(5)
  const { up } = trace.rig
  up.headers(RESPONSE)
  up.trailers(TRAILERS)
  up.settle()
  trace.rig.clock.advance(2)
  down.settle()
  const [server, client] = trace.spans as [SpanJson, SpanJson]
  t.same(attributesOf(server), {
    ...{ 'rpc.system.name': 'grpc', 'rpc.method': 'pkg.Service/Method', 'rpc.response.status_code': 'OK' },
    ...{ 'server.address': 'api.example.com', 'client.address': '192.0.2.9', 'client.port': 1234 },
    ...{ 'network.peer.address': '192.0.2.9', 'network.peer.port': 1234, 'network.transport': 'tcp' },
    ...{ 'network.protocol.name': 'http', 'network.protocol.version': '2' },
    ...{ 'grpc_verbatim.backend': 'main', 'grpc_verbatim.ended_by': 'backend' },
  })
  t.same(attributesOf(client), {
    ...{ 'rpc.system.name': 'grpc', 'rpc.method': 'pkg.Service/Method', 'rpc.response.status_code': 'OK' },
    ...{ 'server.address': '192.0.2.1', 'server.port': 50051 },
    ...{ 'network.peer.address': '192.0.2.1', 'network.peer.port': 50051, 'network.transport': 'tcp' },
    ...{ 'network.protocol.name': 'http', 'network.protocol.version': '2' },
    ...{ 'grpc_verbatim.backend': 'main', 'grpc_verbatim.attempt': 1, 'grpc_verbatim.ended_by': 'backend' },
  })
  t.equal(server.startTimeUnixNano, `${EPOCH_MS + 10}000000`)
  t.equal(server.endTimeUnixNano, `${EPOCH_MS + 17}000000`, 'until its client has everything')
  t.equal(client.startTimeUnixNano, `${EPOCH_MS + 10}000000`)
  t.equal(client.endTimeUnixNano, `${EPOCH_MS + 15}000000`, 'until the backend has said everything')
})

t.test(
  'how calls end: an error of the server is one, that of a client is none, and attempts have their own',
  async t => {
    const trace = new TraceRig()
    const cancelled = trace.rig.open(request({ traceparent: SAMPLED }), true)
    cancelled.down.close(CLIENT_CANCELS)
    const refused = trace.rig.open(request({ traceparent: SAMPLED }), true)
    trace.rig.up.headers(
      block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': '14', 'grpc-message': 'not%20now' }),
      true,
    )
    refused.down.settle()
    const denied = trace.rig.open(request({ traceparent: SAMPLED }), true)
    trace.rig.up.headers(block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': '7' }), true)
    denied.down.settle()
    const [cancelledCall, cancelledTry, call, attempt, deniedCall, deniedTry] = trace.spans as SpanJson[]
    t.match(attributesOf(cancelledCall!), {
      'rpc.response.status_code': 'CANCELLED',
      'grpc_verbatim.ended_by': 'client',
    })
    t.same(cancelledCall!.status, {})
    t.match(attributesOf(cancelledTry!), { 'error.type': 'reset-CANCEL' })
    t.match(call, { status: { code: 2, message: 'not now' } })
    t.match(attributesOf(call!), { 'rpc.response.status_code': 'UNAVAILABLE', 'error.type': 'UNAVAILABLE' })
    t.equal(attempt!.status.code, 2)
    t.same(deniedCall!.status, {}, 'the client may not do that')
    t.equal(deniedTry!.status.code, 2)
  },
)

t.test('a call that finds no route has a span and no attempt', async t => {
  const trace = new TraceRig()
  const { down } = trace.rig.open(request({ traceparent: SAMPLED, host: 'other.example' }), true)
  down.settle()
  t.match(trace.spans, [{ kind: 2, parentSpanId: CLIENT_SPAN, status: { code: 2 } }])
  t.equal(trace.spans.length, 1)
})

t.test('not sampled by its client: what it sent goes on to the letter, and nothing is kept', async t => {
  const trace = new TraceRig()
  const all: Record<string, string>[] = [
    { traceparent: NOT_SAMPLED },
    { traceparent: NOT_SAMPLED, tracestate: 'a=1,b=2' },
  ]
  for (const headers of all) {
    const up = trace.call(headers)
    t.same(told(up), Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])))
  }
  const later = `01-${TRACE}-${CLIENT_SPAN}-00-more`
  t.same(told(trace.call({ traceparent: later })), { traceparent: [later] }, 'a later version, too')
  t.same(trace.spans, [])
  t.same(
    trace.traces.map(all => [all?.traceId, all?.kept]),
    new Array(3).fill([TRACE, false]),
  )
})

t.test('a trace begins here where a client brings none, or none that keeps to the rules', async t => {
  const trace = new TraceRig()
  const all: Record<string, string>[] = [{}, { traceparent: 'nonsense', tracestate: 'a=1' }, { tracestate: 'a=1' }]
  for (const headers of all) {
    trace.spans.length = 0
    const up = trace.call(headers)
    const [server, client] = trace.spans as [SpanJson, SpanJson]
    t.notOk('parentSpanId' in server)
    t.equal(server.flags, 0x103, 'sampled, and random')
    t.same(
      told(up),
      { traceparent: [`00-${server.traceId}-${client.spanId}-03`] },
      'without the state of another trace',
    )
  }
  const up = trace.call([
    ['traceparent', SAMPLED],
    ['traceparent', NOT_SAMPLED],
  ])
  t.equal(told(up).traceparent!.length, 1)
  t.notMatch(told(up).traceparent![0], TRACE, 'of two nobody knows which is meant')
})

t.test('tracestate in several fields goes on as one; one that breaks the rules does not', async t => {
  const trace = new TraceRig()
  t.same(
    told(
      trace.call([
        ['traceparent', SAMPLED],
        ['tracestate', 'a=1'],
        ['tracestate', 'b=2'],
      ]),
    ).tracestate,
    ['a=1,b=2'],
  )
  t.same(told(trace.call({ traceparent: SAMPLED, tracestate: 'A=1' })).tracestate, undefined)
  // Also where nothing is kept.
  const up = trace.call([
    ['traceparent', NOT_SAMPLED],
    ['tracestate', 'a=1'],
    ['tracestate', 'b=2'],
  ])
  t.same(told(up), { traceparent: [NOT_SAMPLED], tracestate: ['a=1,b=2'] })
  t.same(told(trace.call({ traceparent: NOT_SAMPLED, tracestate: 'A=1' })), { traceparent: [NOT_SAMPLED] })
})

t.test('a ratio keeps that part, by the id alone; "parent: false" does not listen to clients', async t => {
  const quarter = new TraceRig({ sample: { parent: false, ratio: 0.25, errors: false }, random: Math.random })
  const ids = Array.from({ length: 400 }, (_, i) => `${hex(i + 1, 18)}${hex(Math.floor((i / 400) * 2 ** 48), 12)}ff`)
  for (const id of ids) quarter.call({ traceparent: `00-${id}-${CLIENT_SPAN}-00` })
  t.equal(quarter.spans.filter(({ kind }) => kind === 2).length, 100)
  t.same(
    quarter.traces.map(all => all?.kept),
    ids.map((_, i) => i >= 300),
    'the upper part: who keeps more, keeps all of these, too',
  )
  const up = new TraceRig({ sample: { parent: false, ratio: 0, errors: false } }).call({ traceparent: SAMPLED })
  t.match(
    told(up).traceparent![0],
    new RegExp(`^00-${TRACE}-(?!${CLIENT_SPAN})[0-9a-f]{16}-00$`),
    'a decision of ours has an id of ours',
  )
})

t.test('rules for the end of a call: the backend is told "not sampled", and the call is kept all the same', async t => {
  const trace = new TraceRig({ sample: { ...NONE, errors: true, slowerThanMs: 100 } })
  const fast = trace.call()
  t.match(told(fast).traceparent![0], /^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/)
  t.same(trace.spans, [])
  t.same(
    trace.traces.map(all => all?.kept),
    [false],
  )
  const failing = trace.rig.open(request(), true)
  const failed = trace.rig.up
  failed.headers(block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': '5' }), true)
  failing.down.settle()
  const [server, client] = trace.spans as [SpanJson, SpanJson]
  t.equal(server.flags & 1, 0)
  t.same(told(failed).traceparent, [`00-${server.traceId}-${client.spanId}-02`])
  trace.spans.length = 0
  const slow = trace.rig.open(request({ traceparent: NOT_SAMPLED }), true)
  trace.rig.up.headers(RESPONSE)
  trace.rig.clock.advance(101)
  trace.rig.up.trailers(TRAILERS)
  slow.down.settle()
  t.match(trace.spans, [{ kind: 2, parentSpanId: CLIENT_SPAN }, { kind: 3 }])
})

t.test('B3 is read and written where it is asked for, and else goes on as it came', async t => {
  const id = '80f198ee56343ba864fe8b2a57d3eff7'
  const b3 = `${id}-${CLIENT_SPAN}-1`
  const plain = new TraceRig()
  t.same(told(plain.call({ traceparent: SAMPLED, b3 })).b3, [b3])
  const both = new TraceRig({ formats: ['b3', 'w3c'] })
  const up = both.call({ traceparent: SAMPLED, b3 })
  const [server, client] = both.spans as [SpanJson, SpanJson]
  t.match(server, { traceId: id, parentSpanId: CLIENT_SPAN })
  t.same(told(up), { traceparent: [`00-${id}-${client.spanId}-01`], b3: [`${id}-${client.spanId}-1`] })
  const multi = new TraceRig({ formats: ['b3multi'] })
  const fields = {
    'x-b3-traceid': id.slice(16),
    'x-b3-spanid': CLIENT_SPAN,
    'x-b3-parentspanid': 'e457b5a2e4d86bd1',
    'x-b3-sampled': '1',
  }
  const sent = told(multi.call(fields))
  const long = `0000000000000000${id.slice(16)}`
  t.same(sent, { 'x-b3-traceid': [long], 'x-b3-spanid': [multi.spans[1]!.spanId], 'x-b3-sampled': ['1'] })
  t.equal(
    told(new TraceRig({ formats: ['w3c', 'w3c'] }).call()).traceparent!.length,
    1,
    'one that is named twice is written once',
  )
  const denied = new TraceRig({ formats: ['b3'] })
  t.match(told(denied.call({ b3: '0' })).b3![0], /^[0-9a-f]{32}-[0-9a-f]{16}-0$/)
  t.same(denied.spans, [])
})

t.test('a path that nobody has answered with OK, and that no route names, names no span', async t => {
  const trace = new TraceRig({ methods: [] })
  const invented = trace.rig.open(request({ ':path': '/invented/Method' }), true)
  trace.rig.up.headers(block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': '12' }), true)
  invented.down.settle()
  t.match(trace.spans[0], { name: 'grpc' })
  t.match(attributesOf(trace.spans[0]!), { 'rpc.method': '_OTHER', 'rpc.method_original': 'invented/Method' })
  trace.spans.length = 0
  trace.call()
  t.match(trace.spans[0], { name: 'pkg.Service/Method' })
})

t.test('half of a pair of surrogates would make a collector refuse everything', async t => {
  const trace = new TraceRig()
  const { down } = trace.rig.open(request(), true)
  const message = encodeURIComponent(`${'x'.repeat(255)}\u{1f600}`)
  trace.rig.up.headers(
    block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': '13', 'grpc-message': message }),
    true,
  )
  down.settle()
  t.ok(trace.spans[0]!.status.message!.isWellFormed())
})

t.test('whatever a client sends: calls go on, and backends are told what keeps to the rules', async t => {
  const value = fc.oneof(
    fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map(code => String.fromCharCode(code)), maxLength: 80 }),
    fc.constantFrom(SAMPLED, NOT_SAMPLED, `${TRACE}-${CLIENT_SPAN}-1`, TRACE, CLIENT_SPAN, '1', 'a=1', 'a=1,a=2, b=3'),
  )
  const name = fc.constantFrom(
    'traceparent',
    'tracestate',
    'b3',
    'x-b3-traceid',
    'x-b3-spanid',
    'x-b3-sampled',
    'x-b3-flags',
  )
  const formats = fc.constantFrom<TraceFormat[]>(['w3c'], ['w3c', 'b3'], ['b3multi', 'w3c'], ['b3'])
  const sample = fc.constantFrom(ALL, NONE, { ...NONE, errors: true }, { ...NONE, parent: false })
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), formats, sample, (fields, formats, sample) => {
      const sent = told(new TraceRig({ formats, sample, random: Math.random }).call(fields))
      const one = (key: string, pattern: RegExp) =>
        sent[key] === undefined || (sent[key].length === 1 && pattern.test(sent[key][0]!))
      const w3c =
        !formats.includes('w3c') ||
        (sent.traceparent !== undefined &&
          one('traceparent', /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/) &&
          one('tracestate', /^[a-z0-9][a-z0-9_\-*/@]*=[!-+\--<>-~](,[a-z0-9][a-z0-9_\-*/@]*=[!-+\--<>-~])*$/))
      const b3 = !formats.includes('b3') || (sent.b3 !== undefined && one('b3', /^[0-9a-f]{32}-[0-9a-f]{16}-[01]$/))
      const multi = !formats.includes('b3multi') || one('x-b3-traceid', /^[0-9a-f]{32}$/)
      return w3c && b3 && multi
    }),
  )
  t.pass('none')
})
