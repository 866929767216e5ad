/** Which route decides, and what it decides. */
import t from 'tap'
import { GrpcError, Status } from '../../src/grpc/status.ts'
import type { CallInfo, Target } from '../../src/routing/director.ts'
import { createRouter, type Route } from '../../src/routing/router.ts'
import { backendOf, call, HELLO } from './rig.ts'

t.test('no routes: no call has a target', async t => {
  t.equal(createRouter([])(call(HELLO)), undefined)
})

t.test('a route without conditions takes every call, even one whose path is not of two parts', async t => {
  for (const routes of [[{ backend: 'a' }], [{ match: {}, backend: 'a' }]]) {
    t.equal(backendOf(routes, call(HELLO)), 'a')
    t.equal(backendOf(routes, call('*', { authority: '' })), 'a')
  }
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
  const router = createRouter([{ backend: 'a', rewriteAuthority: 'internal', addMetadata, priority: 'critical' }])
  const target = router(call(HELLO))
  t.strictSame(target, {
    backend: 'a',
    authority: 'internal',
    metadata: addMetadata,
    priority: 'critical',
    policy: undefined,
    changes: undefined,
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
