import t from 'tap'
import { GrpcError, Status } from '../../src/grpc/status.ts'
import type { CallInfo, Target } from '../../src/routing/director.ts'
import { createRouter, type Route } from '../../src/routing/router.ts'
import type { HeaderBlock } from '../../src/transport/transport.ts'

interface Asked {
  authority?: string
  encrypted?: boolean
  metadata?: readonly (readonly [string, string])[]
}

/** A call as a director sees it. */
function call(path: string, { authority = 'api.example.com', encrypted = false, metadata = [] }: Asked = {}): CallInfo {
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
    peer: { address: '127.0.0.1:50000', encrypted },
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
    // Other spellings of the same (RFC 3986 §6.2).
    ['api.example.com', 'api.example.com.', true],
    ['api.example.com', 'API.example.com.:8443', true],
    ['api.example.com.', 'api.example.com', true],
    ['api.example.com', 'user@api.example.com', true],
    ['api.example.com', 'a:b@c@api.example.com:8443', true],
    ['api.example.com', 'api%2eexample.c%6Fm', true],
    ['api.example.com', 'api.example.com:', true],
    ['api.example.com:443', 'api.example.com:0443', true],
    ['*.example.com', 'u@A.example.com.', true],
    ['api.example.com', 'api.example.com@evil', false],
    ['[2001:db8::1]', '[2001:DB8:0:0:0:0:0:1]:443', true],
    ['[2001:0db8::1]', '[2001:db8::1]', true],
  ]
  for (const [authority, asked, matches] of cases) {
    const routes = [{ match: { authority }, backend: 'a' }]
    t.equal(backendOf(routes, call(HELLO, { authority: asked })) === 'a', matches, `${authority} for ${asked}`)
  }
})

t.test("a port that an authority leaves out is its scheme's", async t => {
  const cases: [pattern: string, encrypted: boolean, matches: boolean][] = [
    ['api.example.com:443', true, true],
    ['api.example.com:443', false, false],
    ['api.example.com:80', false, true],
    ['*.example.com:443', true, true],
    ['api.example.com:8443', true, false],
  ]
  for (const [authority, encrypted, matches] of cases) {
    const routes = [{ match: { authority }, backend: 'a' }]
    t.equal(backendOf(routes, call(HELLO, { encrypted })) === 'a', matches, `${authority} ${encrypted}`)
  }
})

t.test('an authority that is no host and port gets past no route that looks at authorities', async t => {
  const looking = [{ match: { authority: 'api.example.com' }, deny: 'PERMISSION_DENIED' as const }, { backend: 'a' }]
  for (const authority of [
    'api.example.com/',
    'api.example.com?',
    'api.example.com\\',
    'x y',
    'a:b',
    '[::1',
    '@',
    ':1',
  ]) {
    t.equal(backendOf(looking, call(HELLO, { authority })), undefined, authority)
    t.equal(
      backendOf([{ match: { method: 'No' }, deny: 'ABORTED' }, { backend: 'a' }], call(HELLO, { authority })),
      'a',
    )
  }
  t.equal(backendOf(looking, call(HELLO, { authority: '' })), 'a', 'none at all is one that is not denied')
})

t.test('a deny takes services and methods in any case of letters, other routes only as they are written', async t => {
  const denied = (match: Route['match'], path: string): boolean => {
    try {
      return backendOf([{ match, deny: 'PERMISSION_DENIED' }, { backend: 'a' }], call(path)) !== 'a'
    } catch {
      return true
    }
  }
  for (const path of ['/internal.Admin/Drop', '/INTERNAL.admin/DROP', '/Internal.Admin/drop']) {
    t.ok(denied({ service: 'internal.Admin' }, path), path)
    t.ok(denied({ service: 'Internal.*' }, path), path)
    t.ok(denied({ method: ['Keep', 'Drop'] }, path), path)
    t.ok(denied({ service: ['x', 'internal.Admin'], method: 'Drop', authority: 'API.example.com' }, path), path)
    t.notOk(denied({ service: 'internal.Admi' }, path), path)
  }
  t.equal(backendOf([{ match: { service: 'internal.Admin' }, backend: 'a' }], call('/Internal.Admin/Drop')), undefined)
  t.equal(backendOf([{ match: { method: 'Drop' }, backend: 'a' }], call('/a.B/drop')), undefined)
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

/** What is sent under one name, and for which rules about lists a condition on the value `1` holds. */
const LISTS: readonly (readonly [values: readonly string[], all: boolean, any: boolean, whole: boolean])[] = [
  [['1'], true, true, true],
  [['0'], false, false, false],
  [[], false, false, false],
  [[''], false, false, false],
  [['1', '1'], true, true, false],
  [['0', '1'], false, true, false],
  [['1', '0'], false, true, false],
  [['0,1'], false, true, false],
  [['1, 0'], false, true, false],
  [['1 ,\t1'], true, true, false],
  [['1,'], false, true, false],
  [['11'], false, false, false],
]

t.test('a condition on a value says how lists count: all in a route, any in a deny, or as it is told', async t => {
  for (const [values, all, any, whole] of LISTS) {
    const asked = call(HELLO, { metadata: values.map(value => ['x-admin', value] as const) })
    const holds = (condition: NonNullable<NonNullable<Route['match']>['metadata']>[string]): [boolean, boolean] => {
      const match = { metadata: { 'x-admin': condition } }
      let denied = false
      try {
        createRouter([{ match, deny: 'PERMISSION_DENIED' }])(asked)
      } catch {
        denied = true
      }
      return [backendOf([{ match, backend: 'a' }], asked) === 'a', denied]
    }
    const sent = JSON.stringify(values)
    t.same(holds('1'), [all, any], sent)
    t.same(holds({ value: '1' }), [all, any], sent)
    t.same(holds({ value: '1', list: 'all' }), [all, all], sent)
    t.same(holds({ value: '1', list: 'any' }), [any, any], sent)
    t.same(holds({ value: '1', list: 'whole' }), [whole, whole], sent)
  }
})

t.test('lists and prefixes; values with commas; fields that are one value by themselves', async t => {
  type Case = [condition: object | string, name: string, values: string[], route: boolean, deny: boolean]
  const jwt = 'Bearer a.b.c'
  const cases: Case[] = [
    [{ prefix: 'beta-' }, 'x-ring', ['beta-1, beta-2'], true, true],
    [{ prefix: 'beta-' }, 'x-ring', ['beta-1, prod'], false, true],
    [{ prefix: 'beta-' }, 'x-ring', ['prod', 'beta-1'], false, true],
    [{ prefix: 'beta-', list: 'whole' }, 'x-ring', ['beta-1, prod'], true, true],
    ['a, b', 'x-ring', ['a, b'], true, true],
    ['a, b', 'x-ring', ['a', 'b'], false, true],
    ['a,b', 'x-ring', ['c', 'a ,b'], false, true],
    ['a,b', 'x-ring', ['xa,b'], false, false],
    [{ prefix: 'grpc-node/' }, 'user-agent', ['grpc-node/1.0 (linux, x64)'], true, true],
    [{ prefix: 'Bearer ' }, 'authorization', [jwt], true, true],
    [{ prefix: 'Bearer ' }, 'authorization', ['Digest a="b", c="d"'], false, false],
    [{ prefix: 'Bearer ' }, 'authorization', ['Basic x', jwt], false, true],
    ['AAE=', 'x-bin', ['AAE=,AAI='], false, true],
  ]
  for (const [condition, name, values, route, deny] of cases) {
    const asked = call(HELLO, { metadata: values.map(value => [name, value] as const) })
    const match = { metadata: { [name]: condition } } as NonNullable<Route['match']>
    const what = `${JSON.stringify(condition)} for ${JSON.stringify(values)}`
    t.equal(backendOf([{ match, backend: 'a' }], asked) === 'a', route, what)
    const denies = () => createRouter([{ match, deny: 'PERMISSION_DENIED' }])(asked)
    if (deny) t.throws(denies, what)
    else t.doesNotThrow(denies, what)
  }
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
