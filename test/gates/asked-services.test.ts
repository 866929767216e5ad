/** Services that gates ask about each call: what they are told, what their answers do, and what none of them can do. */
import t from 'tap'
import type { Gate } from '../../src/gates/index.ts'
import { GrpcError, type ProxyOptions } from '../../src/index.ts'
import { answer, answered, arrived, field, pairs, RESPONSE, refused, requestFields, TRAILERS } from '../contract/rig.ts'
import { Code, Setting } from '../support/frames.ts'
import type { Field } from '../support/hpack.ts'
import { RawClient } from '../support/raw-client.ts'
import type { ReceivedHeaders } from '../support/received.ts'
import { type AskedRig, askedRig, decoded, encoded, question, reply } from './service-rig.ts'

/** So long that no machine is too slow for it. */
const LONG_MS = 60_000
const CHECK = { backend: 'service', timeoutMs: LONG_MS }
const RATE = {
  ...CHECK,
  domain: 'edge',
  descriptors: [{ remote_address: 'client' }, { kind: 'text:rpc', tenant: 'metadata:x-tenant', path: 'method' }],
} as const

const gated = (gate: NonNullable<ProxyOptions['gates']>[keyof ProxyOptions['gates']]): Partial<ProxyOptions> => ({
  gates: { one: gate } as never,
  require: 'one',
})
const authorized = (more: object = {}) => gated({ authorization: { ...CHECK, ...more } } as never)
const limited = (more: object = {}) => gated({ globalRateLimit: { ...RATE, ...more } } as never)

const begin = (rig: AskedRig, extra: readonly Field[] = [], path?: string): number =>
  rig.client.request(requestFields(extra, path), { endStream: true })

/** The call reaches the backend, and ends well. */
async function passes(t: Parameters<typeof answered>[0], rig: AskedRig, id: number) {
  const call = await arrived(rig, id)
  answer(call)
  await answered(t, call)
  return call.headers
}

t.test('the service is told who calls what, and the backend what the service says', async t => {
  const rig = await askedRig(t, authorized({ vouchesFor: ['x-user', 'x-role'], context: { from: 'edge' } }))
  const id = begin(rig, [
    ['x-user', 'root'],
    ['x-role', 'admin'],
    ['authorization', 'Bearer a'],
    ['x-list', 'a'],
    ['x-list', 'b'],
    ['x-secret', 's'],
  ])
  const asked = await question(rig)
  t.equal(field(asked.headers, ':path'), '/envoy.service.auth.v3.Authorization/Check')
  const { attributes } = decoded('CheckRequest', asked.message)
  const { http } = attributes.request
  t.match(http, {
    method: 'POST',
    path: '/pkg.Service/Method',
    host: 'backend.test',
    scheme: 'http',
    protocol: 'HTTP/2',
  })
  t.match(http.headers, { authorization: 'Bearer a', 'x-list': 'a,b', ':path': '/pkg.Service/Method' })
  t.notOk(http.body || http.raw_body, 'nothing of the messages')
  t.same(attributes.context_extensions, { from: 'edge' })
  t.equal(attributes.source.address.socket_address.address, '127.0.0.1')
  t.ok(attributes.source.address.socket_address.port_value > 0)
  const add = (key: string, value: string) => ({ header: { key, value } })
  const ok = { headers: [add('X-User', 'ada'), add('x-more', 'm')], headers_to_remove: ['x-secret', 'te', ':path'] }
  reply(asked, encoded('CheckResponse', { status: { code: 0 }, ok_response: ok }))
  const headers = await passes(t, rig, id)
  const all = headers.fields.filter(({ name }) => name.startsWith('x-') || name === 'te')
  t.same(all.map(({ name, value }) => `${name}: ${value}`).sort(), [
    ...['te: trailers', 'x-list: a', 'x-list: b', 'x-more: m', 'x-user: ada'],
  ])
})

t.test('what the service is told may be chosen', async t => {
  const rig = await askedRig(t, authorized({ headers: ['x-token'] }))
  const id = begin(rig, [
    ['x-token', 'a'],
    ['authorization', 'b'],
  ])
  const asked = await question(rig)
  t.same(decoded('CheckRequest', asked.message).attributes.request.http.headers, { 'x-token': 'a' })
  reply(asked, Buffer.alloc(0))
  await passes(t, rig, id)
})

t.test('a refusal has a status, and nothing else of what the service says', async t => {
  const rig = await askedRig(t, authorized())
  const rows = [
    [{ status: { code: 7, message: 'secret' } }, 7],
    [{ status: { code: 16 } }, 16],
    [{ status: { code: 8 } }, 8],
    [{ status: { code: 13 } }, 7],
    [{ status: { code: 7 }, denied_response: { status: { code: 401 }, body: 'secret' } }, 16],
    [{ status: { code: 7 }, denied_response: { status: { code: 403 } } }, 7],
    [{ status: { code: 7 }, denied_response: { status: { code: 429 } } }, 8],
    [{ denied_response: { status: { code: 200 } } }, 7],
    [{ status: { code: 16 }, ok_response: { headers: [{ header: { key: 'x-user', value: 'a' } }] } }, 16],
  ] as const
  for (const [response, status] of rows) {
    const id = begin(rig)
    reply(await question(rig), encoded('CheckResponse', response))
    await refused(t, rig.client, id, status)
    t.notMatch(JSON.stringify(rig.client.stream(id)), /secret/)
  }
  t.equal(rig.backend.requests.length, 0)
})

/** Fields of a response, those of the protocol left out. */
function own(incoming: Parameters<typeof field>[0]): string[] {
  if (incoming?.kind !== 'headers') return []
  return incoming.fields.filter(({ name }) => name.startsWith('x-')).map(({ name, value }) => `${name}: ${value}`)
}

const say = (key: string, value: string, action: object = {}) => ({ header: { key, value }, ...action })

t.test('what the service says for the client goes beside the answer of the backend, by its action', async t => {
  const gate = { authorization: { ...CHECK } } as never
  const routes = [{ backend: 'main', response: { set: { 'x-route': 'route' } } }]
  const rig = await askedRig(t, { ...gated(gate), routes })
  const id = begin(rig)
  const response_headers_to_add = [
    say('X-Append', 'service'),
    say('x-append', 'once more', { append: { value: true } }),
    say('x-replaced', 'service', { append: { value: false } }),
    say('x-overwritten', 'service', { append_action: 2 }),
    say('x-absent', 'service', { append_action: 1 }),
    say('x-there', 'service', { append_action: 1 }),
    say('x-if-there', 'service', { append_action: 3 }),
    say('x-if-not', 'service', { append_action: 3 }),
    say('x-later', 'a', { append_action: 9 }),
    say('x-later', '{peer.host}', { append_action: 9 }),
    say('x-route', 'service', { append_action: 2 }),
  ]
  reply(await question(rig), encoded('CheckResponse', { ok_response: { response_headers_to_add } }))
  const call = await arrived(rig, id)
  const [status, type] = RESPONSE
  const theirs = ['append', 'replaced', 'there', 'if-there'].map((name): Field => [`x-${name}`, 'backend'])
  call.backend.headers(call.backendId, [status!, type!, ...theirs])
  call.backend.headers(call.backendId, TRAILERS, { endStream: true })
  const [headers, trailers] = await rig.client.ended(id)
  t.same(own(headers), [
    'x-append: backend',
    'x-there: backend',
    'x-append: service',
    'x-append: once more',
    'x-replaced: service',
    'x-overwritten: service',
    'x-absent: service',
    'x-if-there: service',
    'x-later: {peer.host}',
    'x-route: service',
  ])
  t.same(own(trailers), [])
})

t.test('a refusal takes what the service says for the client, and nothing that belongs to the protocol', async t => {
  const rig = await askedRig(t, authorized({ failure: 'open' }))
  const headers = [
    say('X-Reason', 'quota'),
    say('x-reason', 'plan'),
    say('x-one', 'a', { append_action: 2 }),
    say('x-one', 'b', { append_action: 2 }),
    say('www-authenticate', 'Bearer'),
    say('content-type', 'text/plain'),
    say('content-length', '5'),
    say(':status', '200'),
    say('grpc-status', '0'),
    say('x-grpc-verbatim-error', 'no-route'),
    say('x-break', 'a\r\nb: c'),
    say('', 'a'),
  ]
  const denied_response = { status: { code: 403 }, headers }
  const id = begin(rig)
  reply(await question(rig), encoded('CheckResponse', { status: { code: 7 }, denied_response }))
  const came = await rig.client.ended(id)
  t.equal(came.length, 1)
  t.same(pairs((came[0] as ReceivedHeaders).fields), [
    [':status', '200'],
    ['content-type', 'application/grpc'],
    ['grpc-status', '7'],
    ['grpc-message', 'the call is not permitted'],
    ['x-grpc-verbatim-error', 'forbidden'],
    ['x-reason', 'quota'],
    ['x-reason', 'plan'],
    ['x-one', 'b'],
    ['www-authenticate', 'Bearer'],
  ])
  t.equal(rig.backend.requests.length, 0)
})

for (const transport of ['frames', 'native'] as const) {
  t.test(
    `${transport}: more than the client takes is left out: of a refusal, and of a response that is one then`,
    async t => {
      const rig = await askedRig(t, authorized())
      const { port } = await rig.proxy.listen({ host: '127.0.0.1', port: 0, transport })
      const client = await RawClient.connect(t, port, { settings: { [Setting.MAX_HEADER_LIST_SIZE]: 1_000 } })
      const long = [say('x-long', 'a'.repeat(2_000))]
      const denied = client.request(requestFields(), { endStream: true })
      const answer7 = { status: { code: 7 }, denied_response: { headers: long } }
      reply(await question(rig), encoded('CheckResponse', answer7))
      await refused(t, client, denied, 7)
      const passed = client.request(requestFields(), { endStream: true })
      reply(await question(rig), encoded('CheckResponse', { ok_response: { response_headers_to_add: long } }))
      const { connection, streamId } = await rig.backend.request()
      answer({ backend: connection, backendId: streamId })
      await refused(t, client, passed, 8)
      const short = client.request(requestFields(), { endStream: true })
      const more = [say('x-short', 'a')]
      reply(await question(rig), encoded('CheckResponse', { status: { code: 7 }, denied_response: { headers: more } }))
      const [only] = await client.ended(short)
      t.equal(field(only, 'x-short'), 'a')
    },
  )
}

t.test('one gate of several that may let a call pass: its word for the client counts', async t => {
  const { authorization, anyOf } = await import('../../src/gates/index.ts')
  const never: Gate = () => () => {
    throw new GrpcError('UNAUTHENTICATED', 'no')
  }
  const rig = await askedRig(t, { routes: [{ backend: 'main', require: anyOf([never, authorization(CHECK)]) }] })
  const id = begin(rig)
  reply(
    await question(rig),
    encoded('CheckResponse', { ok_response: { response_headers_to_add: [say('x-plan', 'free')] } }),
  )
  const call = await arrived(rig, id)
  answer(call)
  const [first] = await rig.client.ended(id)
  t.equal(field(first, 'x-plan'), 'free')
})

/** What a service may do instead of answering. */
const WRONG: Readonly<Record<string, (asked: Awaited<ReturnType<typeof question>>) => void>> = {
  dies: ({ connection }) => connection.destroy(),
  resets: ({ connection, streamId }) => connection.rst(streamId, Code.INTERNAL_ERROR),
  'does not have the method': ({ connection, streamId }) =>
    connection.headers(streamId, [...GRPC, ['grpc-status', '12']], { endStream: true }),
  'is no gRPC server': ({ connection, streamId }) =>
    connection.headers(streamId, [[':status', '404']], { endStream: true }),
  'answers bytes that are no message': asked => reply(asked, Buffer.from([0xff, 0xff, 0xff])),
  'answers a field that is not whole': asked => reply(asked, Buffer.from([0x0a, 0x7f, 0])),
  'answers another type': asked => reply(asked, Buffer.from([0x08, 1])),
  'answers 1 MiB': ({ connection, streamId }) => {
    connection.headers(streamId, GRPC)
    void connection.upload(streamId, Buffer.alloc(1_048_576))
  },
  'says that it failed': asked => reply(asked, encoded('CheckResponse', { error_response: {} })),
  'adds a pseudo-header': asked => reply(asked, adding(':path', '/a.B/C')),
  'adds what belongs to the protocol': asked => reply(asked, adding('grpc-timeout', '1n')),
  'adds a line break': asked => reply(asked, adding('x-a', 'a\r\nx-b: c')),
  'adds no name': asked => reply(asked, adding('', 'a')),
  'says to the client what belongs to the protocol': asked => reply(asked, saying([say('grpc-status', '0')])),
  'says to the client a line break': asked => reply(asked, saying([say('x-a', 'a\r\nx-b: c')])),
  'says to the client 101 headers': asked => reply(asked, saying(Array(101).fill(say('x-a', 'a')))),
}
const GRPC: readonly Field[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
]
const saying = (response_headers_to_add: readonly object[]) =>
  encoded('CheckResponse', { ok_response: { response_headers_to_add } })
const adding = (key: string, value: string) =>
  encoded('CheckResponse', { ok_response: { headers: [{ header: { key, value } }] } })

for (const failure of ['closed', 'open'] as const) {
  t.test(`a service that does anything but answer: failure ${failure}`, async t => {
    const rig = await askedRig(t, authorized({ failure, vouchesFor: ['x-user'] }))
    for (const [name, act] of Object.entries(WRONG)) {
      const id = begin(rig, [['x-user', 'root']])
      const asked = await question(rig)
      act(asked)
      if (failure === 'closed')
        await refused(t, rig.client, id, 14, 'it cannot be found out whether the call is permitted')
      else t.equal(field(await passes(t, rig, id), 'x-user'), undefined, `${name}: nobody vouches for it`)
    }
  })
}

t.test('a service that hangs: the call waits no longer than it may', async t => {
  const rig = await askedRig(t, authorized({ timeoutMs: 20 }))
  const id = begin(rig)
  const asked = await question(rig)
  await refused(t, rig.client, id, 14)
  t.match(await asked.connection.next('rst', ({ streamId }) => streamId === asked.streamId), { code: Code.CANCEL })
})

t.test('a service that cannot be reached', async t => {
  const rig = await askedRig(t, authorized())
  await rig.service.refuse()
  await refused(t, rig.client, begin(rig), 14)
})

t.test('a client that leaves while the gate waits takes the question back', async t => {
  const rig = await askedRig(t, authorized())
  const id = begin(rig)
  const asked = await question(rig)
  rig.client.rst(id, Code.CANCEL)
  t.match(await asked.connection.next('rst', ({ streamId }) => streamId === asked.streamId), { code: Code.CANCEL })
  t.equal(rig.backend.requests.length, 0)
})

t.test('no more questions at a time than that: others are not asked, and the rest is', async t => {
  const rig = await askedRig(t, authorized({ maxAsks: 1 }))
  const id = begin(rig)
  const asked = await question(rig)
  await refused(t, rig.client, begin(rig), 14)
  reply(asked, Buffer.alloc(0))
  await passes(t, rig, id)
  const next = begin(rig)
  reply(await question(rig), Buffer.alloc(0))
  await passes(t, rig, next)
})

t.test('a gate of code asks as those of the configuration do, before a route too', async t => {
  const { authorization, anyOf } = await import('../../src/gates/index.ts')
  const gate = anyOf([authorization(CHECK)])
  const rig = await askedRig(t, { routes: [{ backend: 'main', require: gate }] })
  const id = begin(rig)
  reply(await question(rig), Buffer.alloc(0))
  await passes(t, rig, id)
  t.throws(() => gate(() => undefined), /asks a backend of its proxy/)
})

t.test('a rate limit service is told what a call is, and adds to the request', async t => {
  const rig = await askedRig(t, limited())
  const id = begin(rig, [['x-tenant', 'acme']])
  const asked = await question(rig)
  t.equal(field(asked.headers, ':path'), '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit')
  t.same(decoded('RateLimitRequest', asked.message), {
    domain: 'edge',
    descriptors: [
      { entries: [{ key: 'remote_address', value: '127.0.0.1' }] },
      {
        entries: [
          { key: 'kind', value: 'rpc' },
          { key: 'tenant', value: 'acme' },
          { key: 'path', value: '/pkg.Service/Method' },
        ],
      },
    ],
  })
  const respond = [{ key: 'x-limit', value: '10' }]
  const add = [
    { key: 'x-left', value: '7' },
    { key: 'x-raw', raw_value: Buffer.from('r') },
  ]
  reply(
    asked,
    encoded('RateLimitResponse', { overall_code: 1, request_headers_to_add: add, response_headers_to_add: respond }),
  )
  const call = await arrived(rig, id)
  answer(call)
  const { headers } = call
  const [response] = await rig.client.ended(id)
  t.equal(field(response, 'x-limit'), '10')
  t.same([field(headers, 'x-left'), field(headers, 'x-raw')], ['7', 'r'])
  const without = begin(rig)
  const second = await question(rig)
  t.equal(decoded('RateLimitRequest', second.message).descriptors.length, 1, 'a value that is not there: no descriptor')
  reply(second, encoded('RateLimitResponse', { overall_code: 1 }))
  await passes(t, rig, without)
})

t.test('over the limit: RESOURCE_EXHAUSTED, until the limit begins anew', async t => {
  const rig = await askedRig(t, limited())
  const reset = (code: number, seconds: number, nanos = 0) => ({ code, duration_until_reset: { seconds, nanos } })
  const rows = [
    [[reset(2, 3, 500_000_000), reset(1, 60), reset(2, 1)], '3500'],
    [[], '1000'],
    // A limit by year, or what a service made up: the number is one of 32 bits (gRFC A6), else clients never come again.
    [[reset(2, 31_536_000)], '2147483647'],
    [[reset(2, Number.MAX_SAFE_INTEGER)], '2147483647'],
  ] as const
  const response_headers_to_add = [{ key: 'x-limit', value: '10' }]
  for (const [statuses, pushback] of rows) {
    const id = begin(rig)
    reply(await question(rig), encoded('RateLimitResponse', { overall_code: 2, statuses, response_headers_to_add }))
    const [only] = await rig.client.ended(id)
    t.equal(field(only, 'grpc-status'), '8')
    t.equal(field(only, 'grpc-retry-pushback-ms'), pushback)
    t.equal(field(only, 'x-limit'), '10')
  }
})

t.test('a rate limit service that gives no word', async t => {
  const rig = await askedRig(t, limited())
  for (const response of [Buffer.alloc(0), encoded('RateLimitResponse', { overall_code: 9 })]) {
    const id = begin(rig)
    reply(await question(rig), response)
    await refused(t, rig.client, id, 14)
  }
  const open = await askedRig(t, limited({ failure: 'open' }))
  const id = begin(open)
  reply(await question(open), Buffer.alloc(0))
  await passes(t, open, id)
})
