/** Conditions of routes on service, method and authority. */
import t from 'tap'
import type { Route } from '../../src/routing/router.ts'
import { backendOf, call, HELLO } from './rig.ts'

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
