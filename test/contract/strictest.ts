/** Nothing goes onto a session that a mainstream peer would end it for: the call fails, and no other. */
import type { Test } from 'tap'
import { Setting } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import {
  field,
  goesOn,
  message,
  open,
  type Pairing,
  RESPONSE,
  type Rig,
  refused,
  requestFields,
  rig,
  TRAILERS,
} from './rig.ts'

interface Case {
  readonly what: string
  readonly fields: readonly Field[]
  /** Node drops the field by itself and shows the rest. */
  readonly dropped?: boolean
  /** nghttp2 calls it malformed. */
  readonly malformed?: boolean
}

/** Wrong in any message. */
const WRONG: readonly Case[] = [
  { what: 'a control character in a value', fields: [['x-a', 'a\x01b']], dropped: true },
  { what: 'DEL in a value', fields: [['x-a', 'a\x7fb']], dropped: true },
  { what: 'DEL in a long value', fields: [['x-a', `${'v'.repeat(200)}\x7f`]], dropped: true },
  { what: 'a value that is not ASCII', fields: [['x-a', 'caf\xc3\xa9']] },
  { what: 'a name that is no token', fields: [['x"a', '1']], dropped: true },
  { what: 'a -bin value that is no base64', fields: [['x-bin', '!!!']] },
  { what: 'a -bin value of octets', fields: [['x-bin', '\xff\xfe']] },
]

/** A request in which these stand for those of the same name. */
function withFields(...changed: readonly Field[]): Field[] {
  return requestFields().map(field => changed.find(([name]) => name === field[0]) ?? field)
}

const REQUESTS: readonly Case[] = [
  ...WRONG.map(({ fields, ...rest }) => ({ ...rest, fields: requestFields(fields) })),
  { what: 'an authority with octets above 0x7f', fields: withFields([':authority', 'caf\xc3\xa9']), malformed: true },
  { what: 'an authority with a slash', fields: withFields([':authority', 'a/b']), malformed: true },
  { what: 'an authority with an escape', fields: withFields([':authority', 'a%20b']) },
  { what: 'an authority with two ports', fields: withFields([':authority', 'a:1:2']) },
  { what: 'an empty authority', fields: withFields([':authority', '']), malformed: true },
  { what: 'no authority', fields: requestFields().filter(([name]) => name !== ':authority'), malformed: true },
]

/** With `acceptNonGrpc`; some the router refuses by itself. */
const TYPE: Field = ['content-type', 'text/plain']
const NOT_GRPC: readonly Case[] = [
  { what: 'a path with octets above 0x7f', fields: withFields(TYPE, [':path', '/caf\xc3\xa9/b']) },
  { what: 'a path without a slash at its beginning', fields: withFields(TYPE, [':path', 'a/b']), malformed: true },
  { what: 'a path with half an escape', fields: withFields(TYPE, [':path', '/a/%2']) },
  { what: 'an asterisk as path', fields: withFields(TYPE, [':path', '*']), malformed: true },
  { what: 'a method that is no token', fields: withFields(TYPE, [':method', 'a b']), malformed: true },
]

export function strictest(t: Test, pairing: Pairing): void {
  requests(t, pairing, REQUESTS, false)
  requests(t, pairing, NOT_GRPC, true)
  responses(t, pairing)
  sizes(t, pairing)
}

/** The proxy's own answer, and what it says of itself. */
async function failed(t: Test, here: Rig, id: number, status: number, token: string): Promise<void> {
  await refused(t, here.client, id, status)
  t.equal(field(here.client.stream(id)[0], 'x-grpc-verbatim-error'), token)
}

function requests(t: Test, pairing: Pairing, cases: readonly Case[], acceptNonGrpc: boolean): void {
  for (const { what, fields, dropped, malformed } of cases) {
    const native = pairing.downstream === 'native'
    const skip = native && dropped && 'node:http2 drops the field silently and shows the rest'
    t.test(`a request that some backends end their connection for fails alone: ${what}`, { skip }, async t => {
      const here = await rig(t, pairing, { proxy: { acceptNonGrpc } })
      const other = await open(here)
      const id = here.client.request(fields)
      here.client.data(id, message('a body'), { endStream: true })
      if (native && malformed) t.match((await here.client.ended(id)).at(-1), { kind: 'rst', code: 1 })
      else if (!acceptNonGrpc) await failed(t, here, id, 13, 'unsendable-headers')
      else
        t.match(field((await here.client.ended(id))[0], 'x-grpc-verbatim-error'), /^(?:unsendable-headers|bad-path)$/)
      t.equal(here.backend.requests.length, 1, 'it never reached the backend')
      t.notOk(other.backend.log.some(item => item.kind === 'rst'))
      await goesOn(t, here)
      t.equal(here.backend.connections.length, 1)
    })
  }
}

function responses(t: Test, pairing: Pairing): void {
  for (const { what, fields, dropped } of WRONG) {
    const skip = pairing.upstream === 'native' && dropped && 'node:http2 drops the field silently and shows the rest'
    t.test(`what some clients end their connection for fails its call: ${what}`, { skip }, async t => {
      const here = await rig(t, pairing)
      const call = await open(here)
      call.backend.headers(call.backendId, [...RESPONSE, ...fields])
      await failed(t, here, call.id, 13, 'unsendable-headers')
      await goesOn(t, here)
      const other = await open(here)
      other.backend.headers(other.backendId, RESPONSE)
      other.backend.data(other.backendId, message('hello'))
      other.backend.headers(other.backendId, [...TRAILERS, ...fields], { endStream: true })
      await toldInTrailers(t, here, other.id, '13', 'unsendable-headers')
      t.equal(here.backend.connections.length, 1)
    })
  }
  // Node aborts the process where a stream is reset within its 'end', while the request is not whole.
  for (const whole of [false, true]) {
    t.test(`what cannot be sent on to a client ends ${whole ? 'a whole' : 'an unfinished'} request`, async t => {
      const here = await rig(t, pairing)
      const wrong: Field = ['x-a', 'caf\xc3\xa9']
      const alone = await open(here, { endStream: whole })
      alone.backend.headers(alone.backendId, [...RESPONSE, ...TRAILERS, wrong], { endStream: true })
      await failed(t, here, alone.id, 13, 'unsendable-headers')
      const call = await open(here, { endStream: whole })
      call.backend.headers(call.backendId, RESPONSE)
      call.backend.data(call.backendId, message('hello'))
      call.backend.headers(call.backendId, [...TRAILERS, wrong], { endStream: true })
      await toldInTrailers(t, here, call.id, '13', 'unsendable-headers')
    })
  }
}

/** All of the response arrived, and instead of its trailers those of the proxy. */
async function toldInTrailers(t: Test, here: Rig, id: number, status: string, token: string): Promise<void> {
  const came = await here.client.ended(id)
  t.ok(here.client.body(id).equals(message('hello')), 'the message')
  const last = came.at(-1)
  if (last?.kind === 'rst') t.not(last.code, 0, 'no clean end')
  else {
    t.match(last, { kind: 'headers', endStream: true })
    t.equal(field(last, 'grpc-status'), status)
    t.equal(field(last, 'x-grpc-verbatim-error'), token)
  }
  await goesOn(t, here)
}

const LARGE: Field = ['x-large', 'v'.repeat(2_000)]

/** RFC 9113 §6.5.2: the limit is advisory; grpc-java ends a connection over a fourth more, h2 over four times as much. */
function sizes(t: Test, pairing: Pairing): void {
  const settings = { [Setting.MAX_HEADER_LIST_SIZE]: 1_000 }

  t.test('a request above the limit that its backend announced fails alone', async t => {
    const here = await rig(t, pairing, { backend: { settings } })
    await goesOn(t, here)
    const id = here.client.request(requestFields([LARGE]), { endStream: true })
    await failed(t, here, id, 8, 'headers-too-large')
    await goesOn(t, here)
    t.equal(here.backend.requests.length, 2)
  })

  for (const endStream of [false, true]) {
    t.test(`a ${endStream ? 'Trailers-Only' : 'response'} above the limit that the client announced fails`, async t => {
      const here = await rig(t, pairing, { client: { settings } })
      const call = await open(here)
      call.backend.headers(call.backendId, [...RESPONSE, LARGE], { endStream })
      await failed(t, here, call.id, 8, 'headers-too-large')
      await goesOn(t, here)
    })
  }

  for (const whole of [false, true]) {
    t.test(`trailers above the limit that the client announced, ${whole ? 'at the end' : 'early'}`, async t => {
      const here = await rig(t, pairing, { client: { settings } })
      const call = await open(here, { endStream: whole })
      call.backend.headers(call.backendId, RESPONSE)
      call.backend.data(call.backendId, message('hello'))
      call.backend.headers(call.backendId, [...TRAILERS, LARGE], { endStream: true })
      await toldInTrailers(t, here, call.id, '8', 'headers-too-large')
    })
  }
}
