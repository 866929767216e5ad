/** Spans of the attempts of a call that is sent more than once. */
import t from 'tap'
import { definePolicy } from '../../src/routing/policy.ts'
import { RESPONSE, request, resetByPeer, TRAILERS } from '../call/rig.ts'
import { block } from '../support/fake-transport.ts'
import { attributesOf, SAMPLED, type SpanJson, TRACE, TraceRig, told } from './trace-rig.ts'

t.test('a transparent retry: each attempt has its own span, which is the parent that its backend sees', async t => {
  const trace = new TraceRig()
  const { down } = trace.rig.open(request({ traceparent: SAMPLED }), true)
  trace.rig.up.close(resetByPeer(7))
  const [first, second] = trace.rig.ups
  second!.headers(RESPONSE)
  second!.trailers(TRAILERS)
  second!.settle()
  down.settle()
  const [server, one, two] = trace.spans as [SpanJson, SpanJson, SpanJson]
  t.equal(trace.spans.length, 3)
  t.equal(new Set(trace.spans.map(({ spanId }) => spanId)).size, 3)
  t.same([one.parentSpanId, two.parentSpanId], [server.spanId, server.spanId])
  t.same(told(first!).traceparent, [`00-${TRACE}-${one.spanId}-01`])
  t.same(told(second!).traceparent, [`00-${TRACE}-${two.spanId}-01`])
  t.match(attributesOf(one), {
    'grpc_verbatim.attempt': 1,
    'rpc.response.status_code': 'UNAVAILABLE',
    'error.type': 'upstream-refused',
  })
  t.equal(one.status.code, 2)
  t.match(attributesOf(two), { 'grpc_verbatim.attempt': 2, 'rpc.response.status_code': 'OK', 'error.type': undefined })
  t.same([server.status, two.status], [{}, {}])
})

t.test(
  'attempts of a hedged call, at the same time: one that failed, one that was overtaken, and one that answers',
  async t => {
    const policy = definePolicy({ hedge: { delayMs: 100, maxAttempts: 3 } })
    const trace = new TraceRig({ director: () => ({ backend: 'main', policy }) })
    const { rig } = trace
    const { down } = rig.open(request({ traceparent: SAMPLED }), true)
    while (rig.ups.length < 2) rig.clock.advance(10)
    rig.ups[0]!.headers(block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': '14' }), true)
    const third = rig.ups[2]!
    rig.clock.advance(30)
    third.headers(RESPONSE)
    rig.clock.advance(40)
    third.trailers(TRAILERS)
    for (const up of rig.ups) up.settle()
    down.settle()
    const [server, ...tries] = trace.spans as [SpanJson, ...SpanJson[]]
    const at = (nanos: string) => Number((BigInt(nanos) - BigInt(server.startTimeUnixNano)) / 1_000_000n)
    t.same(
      rig.ups.map(up => told(up).traceparent),
      tries.map(({ spanId }) => [`00-${TRACE}-${spanId}-01`]),
    )
    const said = tries.map(each => {
      const { 'error.type': error, ...of } = attributesOf(each)
      const [fromMs, toMs] = [at(each.startTimeUnixNano), at(each.endTimeUnixNano)]
      return [fromMs, toMs, of['rpc.response.status_code'], of['grpc_verbatim.ended_by'], error]
    })
    t.same(said, [
      [0, 100, 'UNAVAILABLE', 'backend', 'UNAVAILABLE'],
      [100, 130, 'CANCELLED', 'proxy', 'hedged'],
      [100, 170, 'OK', 'backend', undefined],
    ])
  },
)

t.test('a retry of policy: one that failed, one that took too long, and one that answers', async t => {
  const policy = definePolicy({
    retry: { initialBackoffMs: 100, maxAttempts: 3, perAttemptTimeoutMs: 500 },
  })
  const trace = new TraceRig({ director: () => ({ backend: 'main', policy }) })
  const { rig } = trace
  rig.context = { ...rig.context, random: () => 0.5 }
  const { down } = rig.open(request({ traceparent: SAMPLED }), true)
  const beginMs = rig.clock.now()
  rig.clock.advance(20)
  rig.ups[0]!.headers(block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': '14' }), true)
  rig.ups[0]!.settle()
  while (rig.ups.length < 2) rig.clock.advance(10)
  const secondMs = rig.clock.now()
  while (rig.ups.length < 3) rig.clock.advance(10)
  const third = rig.ups[2]!
  third.headers(RESPONSE)
  third.trailers(TRAILERS)
  third.settle()
  down.settle()
  const [server, ...tries] = trace.spans as [SpanJson, SpanJson, SpanJson, SpanJson]
  t.equal(trace.spans.length, 4)
  t.same(server.status, {}, 'the client got OK')
  t.same(
    tries.map(({ parentSpanId }) => parentSpanId),
    tries.map(() => server.spanId),
  )
  t.same(
    rig.ups.map(up => told(up).traceparent),
    tries.map(({ spanId }) => [`00-${TRACE}-${spanId}-01`]),
    'each backend sees the span of its own attempt',
  )
  const said = tries.map(each => {
    const { 'grpc_verbatim.attempt': number, 'error.type': error, ...of } = attributesOf(each)
    return [number, of['rpc.response.status_code'], of['grpc_verbatim.ended_by'], error]
  })
  t.same(said, [
    [1, 'UNAVAILABLE', 'backend', 'UNAVAILABLE'],
    [2, 'DEADLINE_EXCEEDED', 'proxy', 'attempt-timeout'],
    [3, 'OK', 'backend', undefined],
  ])
  const at = (nanos: string) => Number((BigInt(nanos) - BigInt(server.startTimeUnixNano)) / 1_000_000n)
  const [one, two] = tries
  t.same([at(one!.startTimeUnixNano), at(one!.endTimeUnixNano)], [0, 20], 'the pause belongs to no attempt')
  t.equal(at(two!.startTimeUnixNano), secondMs - beginMs)
  t.ok(at(two!.endTimeUnixNano) - at(two!.startTimeUnixNano) >= 500)
})
