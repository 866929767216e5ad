import t from 'tap'
import { GrpcError, Status } from '../../src/grpc/status.ts'
import type { CallInfo, Target } from '../../src/routing/director.ts'
import { createRouter, type Route } from '../../src/routing/router.ts'
import type { HeaderBlock } from '../../src/transport/transport.ts'

interface Asked {
  authority?: string
  metadata?: readonly (readonly [string, string])[]
}

/** A call as a director sees it. */
function call(path: string, { authority = 'api.example.com', metadata = [] }: Asked = {}): CallInfo {
  const [, service = '', method = ''] = path.split('/')
  const fields: HeaderBlock = metadata.map(([name, value]) => ({
    name,
    value,
    neverIndexed: false,
  }))
  const all = (name: string) => fields.filter(field => field.name === name).map(field => field.value)
  return {
    path,
    service,
    method,
    authority,
    metadata: {
      fields,
      get: name => all(name)[0],
      getAll: all,
      has: name => all(name).length > 0,
    },
    peer: { address: '127.0.0.1:50000', encrypted: false },
    signal: new AbortController().signal,
  }
}

/** The backend that a call is sent to; undefined when no route takes it. */
function backendOf(routes: readonly Route[], asked: CallInfo): Target['backend'] | undefined {
  return (createRouter(routes)(asked) as Target | undefined)?.backend
}

const HELLO = '/helloworld.Greeter/SayHello'

t.test('no routes: no call has a target', async t => {
  t.equal(createRouter([])(call(HELLO)), undefined)
})

t.test('a route without conditions takes every call, even one whose path is not of two parts', async t => {
  for (const routes of [[{ backend: 'a' }], [{ match: {}, backend: 'a' }]]) {
    t.equal(backendOf(routes, call(HELLO)), 'a')
    t.equal(backendOf(routes, call('*', { authority: '' })), 'a')
  }
})

t.test('service', async t => {
  const cases: [pattern: string | string[], service: string, matches: boolean][] = [
    ['helloworld.Greeter', 'helloworld.Greeter', true],
    ['helloworld.Greeter', 'helloworld.greeter', false],
    ['helloworld.Greeter', 'helloworld.Greeter2', false],
    ['helloworld.Greeter', '', false],
    ['helloworld.*', 'helloworld.Greeter', true],
    ['helloworld.*', 'helloworld.v1.Greeter', true],
    ['helloworld.*', 'helloworld', false],
    ['helloworld.*', 'helloworld.', false],
    ['helloworld.*', 'helloworlds.Greeter', false],
    [['a.A', 'b.*'], 'a.A', true],
    [['a.A', 'b.*'], 'b.c.D', true],
    [['a.A', 'b.*'], 'a.B', false],
    [['a.A', 'a.A'], 'a.A', true],
  ]
  for (const [service, asked, matches] of cases) {
    const routes = [{ match: { service }, backend: 'a' }]
    t.equal(backendOf(routes, call(`/${asked}/M`)) === 'a', matches, `${service} for ${asked}`)
  }
})

t.test('authority', async t => {
  const cases: [pattern: string | string[], authority: string, matches: boolean][] = [
    ['api.example.com', 'api.example.com', true],
    ['api.example.com', 'API.Example.Com', true],
    ['API.example.COM', 'api.example.com', true],
    ['api.example.com', 'api.example.com:8443', true],
    ['api.example.com:8443', 'api.example.com:8443', true],
    ['api.example.com:8443', 'api.example.com', false],
    ['api.example.com:8443', 'api.example.com:443', false],
    ['api.example.com', 'xapi.example.com', false],
    ['api.example.com', 'api.example.co', false],
    ['api.example.com', '', false],
    ['*.example.com', 'api.example.com', true],
    ['*.example.com', 'a.b.example.com:1', true],
    ['*.Example.com', 'A.EXAMPLE.COM', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', '.example.com', false],
    ['*.example.com', 'badexample.com', false],
    ['*.example.com', 'a.example.com.evil', false],
    ['*.example.com:8443', 'a.example.com:8443', true],
    ['*.example.com:8443', 'a.example.com:443', false],
    ['[::1]', '[::1]:50051', true],
    ['[::1]:50051', '[::1]:50051', true],
    ['[::1]:50051', '[::1]', false],
    ['127.0.0.1', '127.0.0.1:50051', true],
    [['a.com', 'b.com:1'], 'b.com:1', true],
    [['a.com', 'b.com:1'], 'b.com:2', false],
    [['a.com', '*.b.com'], 'x.b.com', true],
  ]
  for (const [authority, asked, matches] of cases) {
    const routes = [{ match: { authority }, backend: 'a' }]
    t.equal(backendOf(routes, call(HELLO, { authority: asked })) === 'a', matches, `${authority} for ${asked}`)
  }
})

t.test('method: exact, any of a list', async t => {
  const routes = [{ match: { method: ['SayHello', 'SayBye'] }, backend: 'a' }]
  t.equal(backendOf(routes, call(HELLO)), 'a')
  t.equal(backendOf(routes, call('/x.Y/SayBye')), 'a')
  t.equal(backendOf(routes, call('/x.Y/sayHello')), undefined)
})

t.test('metadata', async t => {
  const canary = (value: string): Asked => ({
    metadata: [['x-canary', value]],
  })
  const none: Asked = { metadata: [['other', 'x']] }
  const exact = [{ match: { metadata: { 'x-canary': 'true' } }, backend: 'a' }]
  t.equal(backendOf(exact, call(HELLO, canary('true'))), 'a')
  t.equal(backendOf(exact, call(HELLO, canary('True'))), undefined)
  t.equal(backendOf(exact, call(HELLO, none)), undefined)
  const twice: Asked = {
    metadata: [
      ['x-canary', 'no'],
      ['x-canary', 'true'],
    ],
  }
  t.equal(backendOf(exact, call(HELLO, twice)), 'a', 'any of several values')

  const present = [{ match: { metadata: { 'x-canary': { present: true } } }, backend: 'a' }]
  t.equal(backendOf(present, call(HELLO, canary(''))), 'a', 'an empty value is there too')
  t.equal(backendOf(present, call(HELLO, none)), undefined)
  const absent = [{ match: { metadata: { 'x-canary': { present: false } } }, backend: 'a' }]
  t.equal(backendOf(absent, call(HELLO, none)), 'a')
  t.equal(backendOf(absent, call(HELLO, canary('x'))), undefined)

  const prefix = [{ match: { metadata: { 'x-canary': { prefix: 'beta-' } } }, backend: 'a' }]
  t.equal(backendOf(prefix, call(HELLO, canary('beta-1'))), 'a')
  t.equal(backendOf(prefix, call(HELLO, canary('a-beta-1'))), undefined)
  t.equal(backendOf(prefix, call(HELLO, none)), undefined)

  const both = [{ match: { metadata: { a: '1', b: { present: true } } }, backend: 'a' }]
  t.equal(backendOf(both, call(HELLO, { metadata: [['a', '1']] })), undefined, 'all conditions must hold')
})

t.test('all conditions of a match must hold', async t => {
  const match = {
    authority: 'api.example.com',
    service: 'helloworld.*',
    method: 'SayHello',
    metadata: { a: '1' },
  }
  const routes = [{ match, backend: 'a' }]
  const metadata = [['a', '1']] as const
  t.equal(backendOf(routes, call(HELLO, { metadata })), 'a')
  t.equal(backendOf(routes, call(HELLO)), undefined)
  t.equal(backendOf(routes, call(HELLO, { metadata, authority: 'b.example.com' })), undefined)
  t.equal(backendOf(routes, call('/helloworld.Greeter/SayBye', { metadata })), undefined)
  t.equal(backendOf(routes, call('/other.Greeter/SayHello', { metadata })), undefined)
})

t.test('the first route that matches decides, in whichever index it is', async t => {
  const kinds: Route[] = [
    { match: { service: 'helloworld.Greeter' }, backend: 'service' },
    { match: { authority: 'api.example.com' }, backend: 'host' },
    { match: { authority: 'api.example.com:50051' }, backend: 'authority' },
    { match: { service: 'helloworld.*' }, backend: 'prefix' },
    { match: { authority: ['*.example.com', 'x'] }, backend: 'suffix' },
    { backend: 'all' },
  ]
  const asked = call(HELLO, { authority: 'api.example.com:50051' })
  for (const order of permutations(kinds)) {
    if (backendOf(order, asked) === order[0]!.backend) continue
    t.fail(`${order.map(route => route.backend)} went to ${backendOf(order, asked)}`)
  }
  t.equal(
    backendOf([{ match: { method: 'No' }, backend: 'x' }, ...kinds], asked),
    'service',
    'what does not match is passed over',
  )
})

t.test('deny throws its status, the same error each time', async t => {
  const router = createRouter([{ deny: 'PERMISSION_DENIED', message: 'not you' }])
  t.throws(() => router(call(HELLO)), new GrpcError('PERMISSION_DENIED', 'not you'))
  const [first, second] = [thrownBy(router), thrownBy(router)]
  t.equal((first as GrpcError).status, Status.PERMISSION_DENIED)
  t.equal(first, second)
})

t.test('a target has what the route adds, and is made once', async t => {
  const addMetadata = { 'x-gateway': 'edge', 'x-tags': ['a', 'b'] }
  const router = createRouter([{ backend: 'a', rewriteAuthority: 'internal', addMetadata }])
  const target = router(call(HELLO))
  t.strictSame(target, {
    backend: 'a',
    authority: 'internal',
    metadata: addMetadata,
  })
  t.equal(router(call('/x.Y/Z')), target)
})

t.test('weights: each backend gets its part of the range of the random number', async t => {
  let next = 0
  const routes = [
    {
      backends: [
        { backend: 'a', weight: 1 },
        { backend: 'b', weight: 2.5 },
        { backend: 'c', weight: 0.5 },
      ],
    },
  ]
  const router = createRouter(routes, { random: () => next })
  const at = (point: number): unknown => {
    next = point
    return (router(call(HELLO)) as Target).backend
  }
  t.equal(at(0), 'a')
  t.equal(at(0.2499), 'a')
  t.equal(at(0.25), 'b')
  t.equal(at(0.8749), 'b')
  t.equal(at(0.875), 'c')
  t.equal(at(1 - Number.EPSILON), 'c')
})

t.test('weights: the default random spreads in proportion', async t => {
  const router = createRouter([
    {
      backends: [
        { backend: 'a', weight: 9 },
        { backend: 'b', weight: 1 },
      ],
    },
  ])
  let toB = 0
  for (let i = 0; i < 10_000; i++) if ((router(call(HELLO)) as Target).backend === 'b') toB++
  // Ten standard deviations around 1,000.
  t.ok(toB > 700 && toB < 1300, `${toB} of 10,000`)
})

t.test('a route that cannot decide is refused at once', async t => {
  const refused: [Route, RegExp][] = [
    [{}, /route 0 needs exactly one/],
    [{ backend: 'a', deny: 'ABORTED' }, /it has 2/],
    [{ backends: [] }, /empty/],
    [{ backends: [{ backend: 'a', weight: 0 }] }, /weight of a must be a positive number/],
    [{ backends: [{ backend: 'a', weight: Number.NaN }] }, /positive/],
  ]
  for (const [route, message] of refused) t.throws(() => createRouter([route]), { name: 'TypeError', message })
})

t.test('1,000 routes: a call looks at those only which can match its service or authority', async t => {
  const looked = { count: 0 }
  const routes: Route[] = []
  for (let i = 0; i < 500; i++) {
    // The counted condition never holds, so each route that is looked at counts.
    routes.push({
      match: { service: `pkg.S${i}`, authority: 'nowhere' },
      backend: 'never',
    })
    routes.push({
      match: { authority: `h${i}.example.com`, service: 'no.*' },
      backend: 'never',
    })
  }
  routes.push({ match: { service: 'pkg.S250' }, backend: 'by-service' })
  routes.push({
    match: { authority: 'h250.example.com' },
    backend: 'by-authority',
  })
  const router = createRouter(routes)
  const counted = (path: string, authority: string): [unknown, number] => {
    const info = call(path, { authority })
    looked.count = 0
    const { service } = info
    // Services are compared first in each route; the index asks once.
    Object.defineProperty(info, 'service', {
      get: () => {
        looked.count++
        return service
      },
    })
    return [(router(info) as Target | undefined)?.backend, looked.count]
  }
  const [byService, first] = counted('/pkg.S250/M', 'x')
  t.equal(byService, 'by-service')
  t.ok(first <= 3, `${first} looks`)
  const [byAuthority, second] = counted('/other.S/M', 'H250.example.com:443')
  t.equal(byAuthority, 'by-authority')
  t.ok(second <= 3, `${second} looks`)
  const [none, third] = counted('/other.S/M', 'x')
  t.equal(none, undefined)
  t.ok(third <= 1, `${third} looks`)
})

function thrownBy(router: (call: CallInfo) => unknown): unknown {
  try {
    return router(call(HELLO))
  } catch (error) {
    return error
  }
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map(rest => [item, ...rest]))
}
