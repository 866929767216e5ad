/** Header fields go through as they came. */
import type { Test } from 'tap'
import { certificates } from '../support/certs.ts'
import { FrameType } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import { answer, field, open, type Pairing, pairs, RESPONSE, requestFields, rig, TRAILERS } from './rig.ts'

/** Order, duplicates, single-value fields that repeat, crumbs, binary: all that a careless map of headers loses. */
const METADATA: readonly Field[] = [
  ['user-agent', 'grpc-test/1.0'],
  ['x-a', '1'],
  ['x-b', '2'],
  ['x-a', '3'],
  ['x-a', '1'],
  ['x-empty', ''],
  ['grpc-encoding', 'gzip'],
  ['x-comma', 'one, two'],
]
const BINARY: readonly Field[] = [
  ['trace-bin', 'AAEC/+8'],
  ['trace-bin', 'YQ=='],
  ['trace-bin', 'AAEC,BAUG'],
]

/** Node 22, and 24 before 24.15, refuse to send `authorization` and its like twice. */
function singleValueLimit({ upstream }: Pairing): string | false {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const knowsOption = major > 24 || (major === 24 && minor >= 15)
  return upstream === 'native' && !knowsOption && 'this Node has no strictSingleValueFields: the call fails instead'
}

export function headers(t: Test, pairing: Pairing): void {
  request(t, pairing)
  response(t, pairing)
  neverIndexed(t, pairing)
  scheme(t, pairing)
  hops(t, pairing)
}

function request(t: Test, pairing: Pairing): void {
  // PROTOCOL-HTTP2.md "Requests": custom metadata order within a name matters; protocol.md "Headers":
  // in order, duplicates kept, bytes unchanged, nothing added by default.
  const same = async (t: Test, extra: readonly Field[]) => {
    const call = await open(await rig(t, pairing), { extra })
    t.same(pairs(call.headers.fields), requestFields(extra), 'exactly what the client sent')
  }
  t.test('request: order and duplicates are kept, nothing is added', t => same(t, METADATA))
  t.test('request: -bin values keep their form', t => same(t, BINARY))
  // RFC 9113 §8.2.3: cookie crumbs are separate fields.
  t.test('request: cookie crumbs stay apart', t =>
    same(t, [
      ['cookie', 'a=1'],
      ['cookie', 'b=2'],
    ]),
  )
  t.test('request: repeats of single-value fields are kept', { skip: singleValueLimit(pairing) }, t =>
    same(t, [
      ['authorization', 'one'],
      ['authorization', 'two'],
    ]),
  )

  t.test('request: te: trailers is kept, in a block of CONTINUATION frames too', async t => {
    const here = await rig(t, pairing)
    const fields = requestFields([['x-long', 'v'.repeat(30_000)]])
    here.client.request(fields, { split: 8_000 })
    const { headers } = await here.backend.request()
    t.same(pairs(headers.fields), fields)
    t.equal(field(headers, 'te'), 'trailers')
  })

  t.test('request: path and authority are untouched', async t => {
    const call = await open(await rig(t, pairing), { path: "/Pkg.SERVICE-1~/Method_$+*'(a):b@c" })
    t.equal(field(call.headers, ':path'), "/Pkg.SERVICE-1~/Method_$+*'(a):b@c")
    t.equal(field(call.headers, ':authority'), 'backend.test')
  })

  const strict = pairing.downstream === 'native' && 'nghttp2 resets a request that has neither'
  // RFC 9113 §8.3.1 lets a client send `host` alone. Neither is for strictest.ts.
  t.test('request: host without :authority goes on as it came', async t => {
    const here = await rig(t, pairing)
    const fields: Field[] = [...requestFields().filter(([name]) => name !== ':authority'), ['host', 'backend.test']]
    here.client.request(fields)
    t.same(pairs((await here.backend.request()).headers.fields), fields)
  })

  t.test('rewriteAuthority replaces :authority and host, and is there where the client sent neither', async t => {
    const here = await rig(t, pairing, { proxy: { routes: [{ backend: 'main', rewriteAuthority: 'new.test' }] } })
    const bare = requestFields().filter(([name]) => name !== ':authority')
    const rewritten = async (fields: readonly Field[]) => {
      here.client.request(fields)
      return pairs((await here.backend.request()).headers.fields)
    }
    const named: Field = [':authority', 'new.test']
    if (!strict) t.same(await rewritten(bare), bare.toSpliced(3, 0, named), 'behind the pseudo-header fields')
    t.same(await rewritten([...bare, ['host', 'old.test']]), [...bare, ['host', 'new.test']])
    t.same(await rewritten(requestFields()), requestFields().with(3, named))
    t.same(await rewritten(requestFields([['host', 'backend.test']])), [
      ...requestFields().with(3, named),
      ['host', 'new.test'],
    ])
  })

  t.test('request: what the client indexed arrives the same the second time', async t => {
    const here = await rig(t, pairing)
    for (let round = 0; round < 3; round++) {
      here.client.request(requestFields(METADATA), { representation: 'indexed' })
      t.same(pairs((await here.backend.request()).headers.fields), requestFields(METADATA))
    }
  })
}

function response(t: Test, pairing: Pairing): void {
  const sent: Field[] = [...RESPONSE, ...METADATA, ...BINARY, ['set-cookie', 'a=1'], ['set-cookie', 'b=2']]

  t.test('response: order, duplicates and octets are kept, nothing is added', async t => {
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, sent)
    const came = await call.client.next('headers', call.id)
    t.same(pairs(came.fields), sent, 'no date, no via, no server')
  })

  t.test('trailers: order of names, of values of a name, and octets are kept', async t => {
    const trailers: Field[] = [
      ['grpc-status', '5'],
      ['grpc-message', 'caf%C3%A9 %25'],
      ['x-a', '1'],
      ['x-a', '2'],
      ['x-a', '1'],
      ['grpc-status-details-bin', 'CAUSBGZvbw'],
    ]
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, RESPONSE)
    call.backend.headers(call.backendId, trailers, { endStream: true })
    const last = (await call.client.ended(call.id)).at(-1)
    t.match(last, { kind: 'headers', endStream: true })
    if (last?.kind === 'headers') t.same(pairs(last.fields), trailers)
  })

  const interleaved = { skip: pairing.downstream === 'native' && 'node:http2 takes trailers as an object: a name once' }
  t.test('trailers: values of different names stay interleaved', interleaved, async t => {
    const trailers: Field[] = [...TRAILERS, ['x-a', '1'], ['x-b', '2'], ['x-a', '3']]
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, RESPONSE)
    call.backend.headers(call.backendId, trailers, { endStream: true })
    const last = (await call.client.ended(call.id)).at(-1)
    if (last?.kind === 'headers') t.same(pairs(last.fields), trailers)
  })
}

/**
 * RFC 7541 §6.2.3: "Intermediaries MUST use the same representation for encoding this header field."
 */
function neverIndexed(t: Test, pairing: Pairing): void {
  const secret: Field = ['x-secret', 'hunter2', 'never']
  const plain: Field = ['x-open', 'anyone', 'incremental']

  t.test('never-indexed stays never-indexed: request', async t => {
    const call = await open(await rig(t, pairing), { extra: [secret, plain] })
    t.match(call.headers.fields.slice(-2), [
      { name: 'x-secret', neverIndexed: true },
      { name: 'x-open', neverIndexed: false },
    ])
  })

  t.test('never-indexed stays never-indexed: response', async t => {
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, [...RESPONSE, secret, plain])
    t.match((await call.client.next('headers', call.id)).fields.slice(-2), [
      { name: 'x-secret', neverIndexed: true },
      { name: 'x-open', neverIndexed: false },
    ])
  })

  t.test('never-indexed stays never-indexed: Trailers-Only', async t => {
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, [...RESPONSE, ...TRAILERS, secret], { endStream: true })
    const [only] = await call.client.ended(call.id)
    t.match(only, { kind: 'headers' })
    if (only?.kind === 'headers') t.match(only.fields.at(-1), { name: 'x-secret', neverIndexed: true })
  })

  t.test('never-indexed stays never-indexed: trailers', async t => {
    const call = await open(await rig(t, pairing))
    call.backend.headers(call.backendId, RESPONSE)
    call.backend.headers(call.backendId, [...TRAILERS, secret], { endStream: true })
    const last = (await call.client.ended(call.id)).at(-1)
    if (last?.kind === 'headers') t.match(last.fields.at(-1), { name: 'x-secret', neverIndexed: true })
  })
}

/** protocol.md "Headers": `:scheme` follows the upstream connection. */
function scheme(t: Test, pairing: Pairing): void {
  t.test('scheme: http from the client is https to a TLS backend', async t => {
    const { ca, server } = await certificates()
    const here = await rig(t, pairing, { backend: { tls: server }, upstream: { tls: { ca: ca.cert } } })
    const call = await open(here, { endStream: true })
    t.equal(field(call.headers, ':scheme'), 'https')
    answer(call)
    t.equal((await call.client.ended(call.id)).length, 3)
  })

  t.test('scheme: https from a TLS client is http to a plaintext backend', async t => {
    const all = await certificates()
    const here = await rig(t, pairing, { certificates: all, client: { tls: { ca: all.ca.cert } } })
    const fields = requestFields().map(([name, value]): Field => [name, name === ':scheme' ? 'https' : value])
    here.client.request(fields)
    t.same(pairs((await here.backend.request()).headers.fields), requestFields())
  })
}

/** protocol.md "Sessions": PING is answered per hop; RFC 9113 §5.1, §6.3: PRIORITY changes nothing. */
function hops(t: Test, pairing: Pairing): void {
  t.test('PING is answered by the proxy, and not forwarded', async t => {
    const call = await open(await rig(t, pairing))
    await call.client.roundTrip()
    await call.backend.roundTrip()
    for (const connection of [call.client, call.backend]) {
      t.notOk(connection.log.some(item => item.kind === 'ping' && !item.ack))
    }
  })

  t.test('PRIORITY is not forwarded, nor are frames of unknown types', async t => {
    const call = await open(await rig(t, pairing))
    call.client.frame({ type: FrameType.PRIORITY, flags: 0, streamId: call.id, payload: Buffer.from([0, 0, 0, 0, 9]) })
    call.client.frame({ type: 0x42, flags: 0xff, streamId: call.id, payload: Buffer.from('unknown') })
    call.client.data(call.id, 'after', { endStream: true })
    await call.backend.ended(call.backendId)
    t.notOk(call.backend.log.some(item => item.kind === 'priority' || item.kind === 'other'))
  })
}
