/** Requests and responses that break the rules fail alone: the session goes on. */
import type { Test } from 'tap'
import { Code, Setting } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import {
  answer,
  answered,
  arrived,
  broken,
  field,
  goesOn,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  refused,
  requestFields,
  rig,
  TRAILERS,
} from './rig.ts'

interface Case {
  readonly what: string
  readonly fields: readonly Field[]
  /** Why node:http2 cannot. */
  readonly native?: string
}

const DROPPED = 'node:http2 drops the field silently and shows the rest'

/** A request with one more field at the end. */
const withField = (name: string, value: string) => requestFields([[name, value]])
/** A request with its pseudo-header fields changed. */
const without = (name: string) => requestFields().filter(field => field[0] !== name)

const MALFORMED: readonly Case[] = [
  // RFC 9113 §8.2.2: "Any message containing connection-specific header fields MUST be treated as malformed".
  { what: 'connection', fields: withField('connection', 'keep-alive') },
  { what: 'keep-alive', fields: withField('keep-alive', 'timeout=5') },
  { what: 'proxy-connection', fields: withField('proxy-connection', 'keep-alive') },
  { what: 'transfer-encoding', fields: withField('transfer-encoding', 'chunked') },
  { what: 'upgrade', fields: withField('upgrade', 'h2c') },
  { what: 'te other than trailers', fields: [...without('te'), ['te', 'gzip']] },
  // §8.2.1: "A field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a, or 0x7f-0xff".
  { what: 'upper case in a name', fields: withField('X-Upper', '1') },
  { what: 'a space in a name', fields: withField('x y', '1'), native: DROPPED },
  // §8.2.1: "A field value MUST NOT contain the zero value (0x00), line feed (0x0a), or carriage return (0x0d)".
  { what: 'NUL in a value', fields: withField('x-value', 'a\0b'), native: DROPPED },
  { what: 'LF in a value', fields: withField('x-value', 'a\nb: c'), native: DROPPED },
  { what: 'CR in a value', fields: withField('x-value', 'a\rb'), native: DROPPED },
  // §8.3: "All pseudo-header fields MUST appear … before all regular field lines".
  { what: 'a pseudo-header after a regular field', fields: [...without(':path'), [':path', '/a/b']] },
  { what: 'an unknown pseudo-header', fields: [[':unknown', '1'], ...requestFields()] },
  { what: 'a response pseudo-header', fields: [[':status', '200'], ...requestFields()] },
  { what: 'a pseudo-header twice', fields: [[':path', '/a/b'], ...requestFields()] },
  // §8.3.1: "All HTTP/2 requests MUST include exactly one valid value for :method, :scheme and :path".
  { what: 'no :method', fields: without(':method') },
  { what: 'no :scheme', fields: without(':scheme') },
  { what: 'no :path', fields: without(':path') },
]

export function malformed(t: Test, pairing: Pairing): void {
  for (const { what, fields, native } of MALFORMED) {
    const skip = pairing.downstream === 'native' && native
    t.test(`malformed request is a stream error PROTOCOL_ERROR: ${what}`, { skip }, async t => {
      const here = await rig(t, pairing)
      const id = here.client.request(fields)
      // §8.1.1: "Malformed requests … MUST be treated as a stream error of type PROTOCOL_ERROR".
      const came = await here.client.ended(id)
      t.match(came.at(-1), { kind: 'rst', code: Code.PROTOCOL_ERROR })
      await goesOn(t, here)
    })
  }
  contentTypes(t, pairing)
  answeredTypes(t, pairing)
  sizes(t, pairing)
  responses(t, pairing)
  responseSizes(t, pairing)
}

function contentTypes(t: Test, pairing: Pairing): void {
  // PROTOCOL-HTTP2.md "Requests": other content types get "HTTP status of 415".
  for (const type of ['application/json', 'application/grpc-web', undefined]) {
    t.test(`content-type ${type ?? 'absent'} gets HTTP 415`, async t => {
      const here = await rig(t, pairing)
      const fields = without('content-type')
      const id = here.client.request(type === undefined ? fields : [...fields, ['content-type', type]])
      const [first] = await here.client.ended(id)
      t.match(first, { kind: 'headers' })
      t.equal(field(first, ':status'), '415')
      await goesOn(t, here)
    })
  }
  for (const type of ['application/grpc+proto', 'application/grpc;charset=utf-8', 'Application/GRPC']) {
    t.test(`content-type ${type} is gRPC`, async t => {
      const here = await rig(t, pairing)
      const id = here.client.request([...without('content-type'), ['content-type', type]])
      t.equal(field((await arrived(here, id)).headers, 'content-type'), type)
    })
  }
}

/** "Status … carries the request's content type": a client of `application/grpc+json` may take nothing else. */
function answeredTypes(t: Test, pairing: Pairing): void {
  t.test("a status of the proxy's own has the request's content type", async t => {
    const here = await rig(t, pairing, { proxy: { routes: [{ deny: 'PERMISSION_DENIED' }] } })
    const cases: readonly (readonly [string, string])[] = [
      ['application/grpc', 'application/grpc'],
      ['application/grpc+json', 'application/grpc+json'],
      ['application/grpc; charset="utf-8"', 'application/grpc; charset="utf-8"'],
      ['Application/GRPC+Json', 'Application/GRPC+Json'],
      [`application/grpc+${'x'.repeat(1_000)}`, 'application/grpc'],
      ['application/grpc+\xe9', 'application/grpc'],
    ]
    for (const [type, expected] of cases) {
      const id = here.client.request([...without('content-type'), ['content-type', type]], { endStream: true })
      const [first] = await here.client.ended(id)
      t.match(first, { kind: 'headers', endStream: true }, type)
      t.equal(field(first, 'grpc-status'), '7')
      t.equal(field(first, 'content-type'), expected)
    }
  })
}

/** Over the default limit of 64 KiB in all; in few enough frames for nghttp2's limit of CONTINUATIONs. */
const LARGE = ['x-1', 'x-2', 'x-3'].map((name): Field => [name, 'v'.repeat(30_000)])

/** RFC 9113 §10.5.1 and protocol.md "Headers": the limit is announced, and only the call fails. */
function sizes(t: Test, pairing: Pairing): void {
  t.test('the limit of a header list is announced', async t => {
    const { client } = await rig(t, pairing, { proxy: { limits: { maxHeaderListBytes: 20_000 } } })
    const settings = client.log.find(item => item.kind === 'settings' && !item.ack)
    t.match(settings, { values: { [Setting.MAX_HEADER_LIST_SIZE]: 20_000 } })
  })

  const tooMuch: readonly (readonly [string, Field[]])[] = [
    ['three large values', LARGE],
    ['one value of more than 64 KiB', [['x-large', 'v'.repeat(70_000)]]],
    ['many fields', Array.from({ length: 500 }, (_, at): Field => [`x-${at}`, '1'])],
    ['many cookie crumbs', Array.from({ length: 500 }, (): Field => ['cookie', 'a=1'])],
  ]
  for (const [what, fields] of tooMuch) {
    const decodes = !what.includes('KiB') || pairing.downstream !== 'native'
    const skip = !decodes && 'nghttp2 takes no string over 64 KiB: COMPRESSION_ERROR for the session'
    t.test(`a header list over the limit fails its call only: ${what}`, { skip }, async t => {
      const here = await rig(t, pairing)
      const kept: Field = ['x-kept', 'in the dynamic table', 'indexed']
      const last = (await here.client.ended(here.client.request(requestFields([...fields, kept])))).at(-1)
      if (last?.kind === 'rst') t.equal(last.code, Code.ENHANCE_YOUR_CALM)
      else t.equal(field(last, ':status') === '431' || field(last, 'grpc-status') === '8', true, 'refused by an answer')
      // The refused block changed the HPACK state of the session all the same.
      const id = here.client.request(requestFields([kept]))
      const next = await arrived(here, id)
      t.equal(field(next.headers, 'x-kept'), 'in the dynamic table')
      t.equal(here.backend.requests.length, 1, 'the refused request was not forwarded')
      answer(next)
      await answered(t, next)
    })
  }
}

function responses(t: Test, pairing: Pairing): void {
  const cases: readonly (readonly [string, readonly Field[]])[] = [
    ['connection-specific field', [...RESPONSE, ['connection', 'close']]],
    ['upper case in a name', [...RESPONSE, ['X-Upper', '1']]],
    ['no :status', [['content-type', 'application/grpc']]],
  ]
  for (const [what, fields] of cases) {
    // RFC 9113 §8.1.1: clients treat malformed responses as a stream error PROTOCOL_ERROR, which
    // PROTOCOL-HTTP2.md "Errors" maps to INTERNAL.
    t.test(`malformed response makes its call INTERNAL: ${what}`, async t => {
      const here = await rig(t, pairing)
      const call = await open(here, { endStream: true })
      call.backend.headers(call.backendId, fields)
      await refused(t, call.client, call.id, 13)
      // nghttp2 tells its user the same of a reset of its own and one of the peer's.
      const token = pairing.upstream === 'native' ? 'upstream-reset' : 'upstream-protocol-error'
      t.equal(field(call.client.stream(call.id)[0], 'x-grpc-verbatim-error'), token, 'who reset the stream')
      t.match(await call.backend.next('rst', call.backendId), { code: Code.PROTOCOL_ERROR })
      await goesOn(t, here)
    })
  }
}

/** What the backend may do wrong is the call's misfortune, not the client session's. */
function responseSizes(t: Test, pairing: Pairing): void {
  const justUnder = LARGE.slice(0, 2)

  t.test('header lists just under the limit go through both ways', async t => {
    const call = await open(await rig(t, pairing), { endStream: true, extra: justUnder })
    t.same(pairs(call.headers.fields), requestFields(justUnder))
    call.backend.headers(call.backendId, [...RESPONSE, ...justUnder])
    call.backend.headers(call.backendId, [...TRAILERS, ...justUnder], { endStream: true })
    const blocks = (await call.client.ended(call.id)).flatMap(item => (item.kind === 'headers' ? [item] : []))
    t.same(
      blocks.map(block => pairs(block.fields)),
      [
        [...RESPONSE, ...justUnder],
        [...TRAILERS, ...justUnder],
      ],
    )
  })

  for (const endStream of [false, true]) {
    const what = endStream ? 'Trailers-Only' : 'response header list'
    t.test(`a ${what} over the limit fails its call only`, async t => {
      const here = await rig(t, pairing)
      const call = await open(here, { endStream: true })
      call.backend.headers(call.backendId, [...RESPONSE, ...LARGE], { endStream })
      const last = (await call.client.ended(call.id)).at(-1)
      t.match(last, { kind: 'headers', endStream: true }, "an answer of the proxy's own")
      t.match(field(last, 'grpc-status'), /^(?!0$)\d+$/)
      await goesOn(t, here)
      t.equal(here.backend.connections.length, 1, 'on the same session to the backend')
    })
  }

  t.test('trailers over the limit fail their call only', async t => {
    const here = await rig(t, pairing)
    const call = await open(here, { endStream: true })
    call.backend.headers(call.backendId, RESPONSE)
    call.backend.headers(call.backendId, [...TRAILERS, ...LARGE], { endStream: true })
    await broken(t, call, 8)
    await goesOn(t, here)
  })
}
