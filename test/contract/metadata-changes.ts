/** What routes change of metadata: exact fields on both sides, and all others as they came. */
import type { Test } from 'tap'
import { defineChanges, type ProxyOptions } from '../../src/index.ts'
import { Code } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import {
  answer,
  answered,
  arrived,
  field,
  goesOn,
  open,
  type Pairing,
  pairs,
  RESPONSE,
  requestFields,
  rig,
  TRAILERS,
} from './rig.ts'

type Routes = NonNullable<ProxyOptions['routes']>

export function metadataChanges(t: Test, pairing: Pairing): void {
  const rigOf = (t: Test, routes: Routes, proxy: Partial<ProxyOptions> = {}) =>
    rig(t, pairing, { proxy: { routes, ...proxy } })

  t.test('request: set, add, remove; all else as it came, in its order', async t => {
    const request = {
      set: { 'x-set': ['1', '2'], 'x-new-bin': 'AAE=' },
      add: { 'x-add': 'behind {method} of {service}, {{so}}' },
      remove: ['x-gone'],
    }
    const here = await rigOf(t, [{ backend: 'main', request }])
    const extra: Field[] = [
      ['x-a', '1'],
      ['x-set', 'of the client'],
      ['x-add', 'of the client'],
      ['x-gone', '1'],
      ['x-a', '2'],
      ['x-gone', '2'],
      ['x-raw-bin', 'AAA'],
    ]
    const call = await open(here, { extra, endStream: true })
    t.same(
      pairs(call.headers.fields),
      requestFields([
        ['x-a', '1'],
        ['x-add', 'of the client'],
        ['x-a', '2'],
        ['x-raw-bin', 'AAA'],
        ['x-set', '1'],
        ['x-set', '2'],
        ['x-new-bin', 'AAE='],
        ['x-add', 'behind Method of pkg.Service, {so}'],
      ]),
    )
    call.backend.rst(call.backendId, Code.REFUSED_STREAM)
    const again = await arrived(here, call.id)
    t.same(pairs(again.headers.fields), pairs(call.headers.fields), 'the same where it is sent again')
    answer(again)
    await answered(t, again)
  })

  t.test('response and trailers: each of its own block, and both of one that has headers only', async t => {
    const response = { set: { 'x-by': '{backend}' }, remove: ['server'] }
    const trailers = { add: { 'x-end': '1' }, remove: ['x-debug'] }
    const here = await rigOf(t, [{ backend: 'main', response, trailers }])
    const own: Field[] = [
      ['server', 'secret'],
      ['x-debug', 'secret'],
      ['x-b', '1'],
    ]
    const call = await open(here, { endStream: true })
    call.backend.headers(call.backendId, [...RESPONSE, ...own])
    t.same(pairs((await call.client.next('headers', call.id)).fields), [
      ...RESPONSE,
      ['x-debug', 'secret'],
      ['x-b', '1'],
      ['x-by', 'main'],
    ])
    call.backend.headers(call.backendId, [...TRAILERS, ...own], { endStream: true })
    const last = (await call.client.ended(call.id)).at(-1)
    t.same(last?.kind === 'headers' && pairs(last.fields), [
      ...TRAILERS,
      ['server', 'secret'],
      ['x-b', '1'],
      ['x-end', '1'],
    ])
    const only = await open(here, { endStream: true })
    only.backend.headers(only.backendId, [...RESPONSE, ...TRAILERS, ...own], { endStream: true })
    const [came] = await only.client.ended(only.id)
    t.same(came?.kind === 'headers' && pairs(came.fields), [
      ...RESPONSE,
      ...TRAILERS,
      ['x-b', '1'],
      ['x-by', 'main'],
      ['x-end', '1'],
    ])
    await goesOn(t, here)
  })

  t.test('answers of the proxy itself have them once a route is known', async t => {
    const changed = { response: { set: { 'x-by': 'edge' } }, trailers: { remove: ['x-grpc-verbatim-error'] } }
    const here = await rigOf(t, [{ match: { service: 'pkg.Service' }, backend: 'main', ...changed }])
    // Whether it reaches the backend in that time does not matter.
    const [late] = await here.client.ended(
      here.client.request(requestFields([['grpc-timeout', '50m']]), { endStream: true }),
    )
    t.equal(field(late, 'grpc-status'), '4')
    t.equal(field(late, 'x-by'), 'edge')
    t.equal(field(late, 'x-grpc-verbatim-error'), undefined)
    const [unrouted] = await here.client.ended(
      here.client.request(requestFields([], '/other.Service/Method'), { endStream: true }),
    )
    t.equal(field(unrouted, 'x-by'), undefined)
    t.equal(field(unrouted, 'x-grpc-verbatim-error'), 'no-route')
  })

  t.test('variables: of the call and its peer; without a value there is no field, and none of the client', async t => {
    const request = {
      set: {
        'x-from': '{peer.host}',
        'x-id': 'id={request.id}',
        'x-name': '{peer.certificate.subject}',
        'x-authority': '<{authority}>',
      },
    }
    const here = await rigOf(t, [{ backend: 'main', request }], { requestId: {} })
    const call = await open(here, { extra: [['x-name', 'forged']], endStream: true })
    t.equal(field(call.headers, 'x-from'), '127.0.0.1')
    t.equal(field(call.headers, 'x-id'), `id=${field(call.headers, 'x-request-id')}`)
    t.equal(field(call.headers, 'x-name'), undefined, 'a client without a certificate has no name')
    t.match(field(call.headers, 'x-authority'), /^<.+>$/)
    answer(call)
    await answered(t, call)
  })

  t.test('in code: a director returns them, and one that cannot be costs its call only', async t => {
    const changes = defineChanges({ request: { remove: ['x-gone'] }, response: { set: { 'x-by': '{method}' } } })
    const here = await rig(t, pairing, {
      proxy: {
        director: ({ metadata }) => ({
          backend: 'main',
          changes: metadata.has('x-bad') ? { request: { set: { 'grpc-timeout': '1S' } } } : changes,
        }),
      },
    })
    const call = await open(here, { extra: [['x-gone', '1']], endStream: true })
    t.same(pairs(call.headers.fields), requestFields())
    answer(call)
    t.equal(field(await call.client.next('headers', call.id), 'x-by'), 'Method')
    await call.client.ended(call.id)
    const bad = here.client.request(requestFields([['x-bad', '1']]), { endStream: true })
    t.equal(field((await here.client.ended(bad))[0], 'grpc-status'), '13')
  })
}
