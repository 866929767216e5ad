/** Ids of requests: what backends and clients get, in place of what the other side sent under the same name. */
import type { Test } from 'tap'
import type { ProxyOptions } from '../../src/index.ts'
import { Code } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import {
  answer,
  answered,
  arrived,
  type Call,
  field,
  goesOn,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  type Rig,
  requestFields,
  rig,
  TRAILERS,
} from './rig.ts'

const NAME = 'x-request-id'
/** RFC 9562 §5.4. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const SENT: Field = [NAME, 'of-the-client']
const AROUND: readonly Field[] = [
  ['x-a', '1'],
  ['x-b', '2'],
]

type Options = NonNullable<ProxyOptions['requestId']>

export function requestIds(t: Test, pairing: Pairing): void {
  const rigOf = (t: Test, requestId: Options | undefined, proxy: Partial<ProxyOptions> = {}) =>
    rig(t, pairing, { proxy: { ...(requestId && { requestId }), ...proxy } })

  requests(t, rigOf)
  responses(t, rigOf)
}

type RigOf = (t: Test, requestId: Options | undefined, proxy?: Partial<ProxyOptions>) => Promise<Rig>

/** The call came with these fields and an id of the proxy behind them. @returns the id */
function made(t: Test, call: Call, extra: readonly Field[] = [], what = ''): string {
  const fields = pairs(call.headers.fields)
  t.same(fields.slice(0, -1), requestFields(extra), what)
  const [name, id] = fields.at(-1)!
  t.equal(name, NAME)
  t.match(id, UUID, what)
  return id
}

function requests(t: Test, rigOf: RigOf): void {
  t.test('without `requestId` all of it goes on as it came', async t => {
    const extra: Field[] = [SENT, ['x-a', '1'], [NAME, 'one, two'], [NAME, '']]
    const call = await open(await rigOf(t, undefined), { extra })
    t.same(pairs(call.headers.fields), requestFields(extra))
  })

  t.test('each request gets another one, behind its fields and in place of what came', async t => {
    const here = await rigOf(t, {})
    const [before, behind] = AROUND as [Field, Field]
    const ids = [
      made(t, await open(here)),
      made(t, await open(here, { extra: AROUND }), AROUND),
      made(t, await open(here, { extra: [before, SENT, behind, SENT] }), AROUND),
    ]
    t.equal(new Set(ids).size, ids.length)
  })

  t.test('with `trust` the one of the client stays where it is', async t => {
    const here = await rigOf(t, { trust: true })
    const extra: Field[] = [['x-a', '1'], SENT, ['x-b', '2']]
    t.same(pairs((await open(here, { extra })).headers.fields), requestFields(extra))
    const longest: Field = [NAME, '!~'.repeat(64), 'never']
    const { headers } = await open(here, { extra: [longest] })
    t.match(headers.fields.at(-1), { name: NAME, value: longest[1], neverIndexed: true })
    made(t, await open(here))
  })

  t.test('with `trust` what is not one short text is replaced', async t => {
    const here = await rigOf(t, { trust: true }, { limits: { maxHeaderListBytes: 131_072 } })
    const values = ['', 'a,b', 'one, two', 'a b', 'a\tb', 'a\u007fb', 'caf\u00e9', 'x'.repeat(129), 'x'.repeat(65_536)]
    for (const value of values) {
      const call = await open(here, {
        extra: [
          ['x-a', '1'],
          [NAME, value],
          ['x-b', '2'],
        ],
      })
      made(t, call, AROUND, JSON.stringify(value.slice(0, 20)))
    }
    made(t, await open(here, { extra: [SENT, ...AROUND, SENT] }), AROUND, 'two of them, though they are the same')
  })

  t.test('a request that is sent again has the same', async t => {
    const here = await rigOf(t, {})
    const first = await open(here, { endStream: true, extra: [SENT] })
    first.backend.rst(first.backendId, Code.REFUSED_STREAM)
    const second = await arrived(here, first.id)
    t.equal(made(t, first), made(t, second))
    answer(second)
    await answered(t, second)
    await goesOn(t, here)
  })

  t.test('it goes before what a route says of its name, and beside what else is added', async t => {
    const metadata = { 'x-tenant': 'a', [NAME]: 'of-the-route' }
    const routed = { director: () => ({ backend: 'main', metadata }) }
    made(t, await open(await rigOf(t, {}, routed), { extra: [SENT] }), [['x-tenant', 'a']])
    const trusting = await open(await rigOf(t, { trust: true }, routed), { extra: [SENT] })
    t.same(pairs(trusting.headers.fields), requestFields([['x-tenant', 'a'], SENT]))
    const via = await rigOf(t, { trust: true }, { headers: { via: true } })
    const call = await open(via, { extra: [SENT, ...AROUND] })
    t.same(pairs(call.headers.fields), requestFields([SENT, ...AROUND, ['via', '2 grpc-verbatim']]))
  })

  t.test('beside a trace, with another name', async t => {
    const traces = { otlp: { url: 'http://127.0.0.1:9' }, sample: { ratio: 0 } }
    const here = await rigOf(t, { header: 'x-correlation-id' }, { traces })
    const call = await open(here, { extra: [['x-correlation-id', '1'], SENT, ['traceparent', 'wrong']] })
    const fields = pairs(call.headers.fields)
    t.same(fields.slice(0, -2), requestFields([SENT]))
    t.match(fields.slice(-2), [
      ['traceparent', /^00-/],
      ['x-correlation-id', UUID],
    ])
  })
}

function responses(t: Test, rigOf: RigOf): void {
  const own: Field = [NAME, 'of-the-backend']

  t.test('without `respond` a response is as the backend sent it', async t => {
    const call = await open(await rigOf(t, {}), { endStream: true })
    const sent = [...RESPONSE, own, ...AROUND]
    call.backend.headers(call.backendId, sent)
    t.same(pairs((await call.client.next('headers', call.id)).fields), sent)
  })

  t.test('with `respond` the client is told, in place of what the backend says', async t => {
    const here = await rigOf(t, { respond: true })
    const call = await open(here, { endStream: true })
    call.backend.headers(call.backendId, [...RESPONSE, own, ...AROUND, own])
    const told: Field = [NAME, made(t, call)]
    t.same(pairs((await call.client.next('headers', call.id)).fields), [...RESPONSE, ...AROUND, told])
    const trailers = [...TRAILERS, own]
    call.backend.headers(call.backendId, trailers, { endStream: true })
    const last = (await call.client.ended(call.id)).at(-1)
    if (last?.kind === 'headers') t.same(pairs(last.fields), trailers, 'trailers are as they came')
    await goesOn(t, here)
  })

  t.test('with `respond`: Trailers-Only, and an id of the client', async t => {
    const here = await rigOf(t, { respond: true, trust: true })
    const call = await open(here, { endStream: true, extra: [SENT] })
    call.backend.headers(call.backendId, [...RESPONSE, own, ...TRAILERS], { endStream: true })
    const came = await call.client.ended(call.id)
    t.match(came, [{ kind: 'headers', endStream: true }])
    if (came[0]?.kind === 'headers') t.same(pairs(came[0].fields), [...RESPONSE, ...TRAILERS, SENT])
    await goesOn(t, here)
  })

  t.test('with `respond`: answers of the proxy itself', async t => {
    const routes = [{ match: { service: 'pkg.Service' }, backend: 'main' }]
    const here = await rigOf(t, { respond: true }, { routes })
    const told: string[] = []
    for (const fields of [
      requestFields([], '/other.Service/Method'),
      requestFields([['grpc-timeout', 'never']]),
      requestFields().map(([name, value]): Field => [name, name === 'content-type' ? 'text/plain' : value]),
    ]) {
      const id = here.client.request([...fields, SENT], { endStream: true })
      const came = await here.client.ended(id)
      t.match(came, [{ kind: 'headers', endStream: true }])
      t.equal(came[0]?.kind === 'headers' && came[0].fields.filter(({ name }) => name === NAME).length, 1)
      told.push(field(came[0], NAME)!)
      t.ok(field(came[0], 'x-grpc-verbatim-error'))
    }
    for (const id of told) t.match(id, UUID)
    t.equal(new Set(told).size, told.length)
  })
}
