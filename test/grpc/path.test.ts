import fc from 'fast-check'
import t from 'tap'
import { calledMethod, calledResource } from '../../src/grpc/path.ts'

t.test('gRPC: exactly /service/method, in plain characters', async t => {
  const methods: [path: string, service: string, method: string][] = [
    ['/pkg.Service/Method', 'pkg.Service', 'Method'],
    ['/Service/Method', 'Service', 'Method'],
    ['/PKG.v1-beta_2.Service/Get:One', 'PKG.v1-beta_2.Service', 'Get:One'],
    ["/a$b/~c!&'()*+,=@", 'a$b', "~c!&'()*+,=@"],
    ['/.../..a', '...', '..a'],
  ]
  for (const [path, service, method] of methods) {
    // The second time it is known.
    for (let round = 0; round < 2; round++) t.same(calledMethod(path), { service, method }, path)
  }
})

const ODD = [
  ...['', '*', '/', '//', '///', 'a', '/pkg.Service', '/pkg.Service/', '//Method', '/pkg.Service//Method'],
  ...['pkg.Service/Method', ' /pkg.Service/Method', '/pkg.Service/Method ', '/pkg.Service/Method/'],
  ...['/a/b/c', '//pkg.Service/Method', '/./pkg.Service/Method', '/x/../pkg.Service/Method'],
  ...['/./Method', '/../Method', '/pkg.Service/.', '/pkg.Service/..'],
  ...['/pkg.Service/Method?', '/pkg.Service/Method?x=1', '/pkg.Service/Method#x', '/pkg.Service?/Method'],
  ...['/pkg%2EService/Method', '/pkg.Service%2FMethod', '/pkg.Service/%4Dethod', '/pkg.Service/Method%00'],
  ...['/pkg.Service\\Method', '/pkg.Service/Method;x=1', '/pkg.Service;/Method', '/pkg.Service/Me\tthod'],
  ...['http://a/pkg.Service/Method', 'https://pkg.Service/Method', '/pkg.Service/M\xe9thod', '/pkg.Service/Me\x7fthod'],
  ...['/pkg.Service/M"', '/pkg.Service/<M>', '/pkg.Service/`', '/pkg.Service/{M}', '/pkg.Service/M|', '/pkg.Service/^'],
]

t.test('gRPC: nothing else', async t => {
  for (const path of ODD) t.equal(calledMethod(path), undefined, path)
})

t.test('many paths, and long ones, are read the same', async t => {
  for (let i = 0; i < 3_000; i++) t.same(calledMethod(`/s/m${i}`)?.method, `m${i}`)
  const long = 'm'.repeat(10_000)
  t.same(calledMethod(`/s/${long}`), { service: 's', method: long })
})

t.test('other requests: the first two parts as most servers read them', async t => {
  const cases: [path: string, service: string, method: string][] = [
    ['/pkg.Service/Method', 'pkg.Service', 'Method'],
    ['/pkg.Service/Method?a=/../b%2F', 'pkg.Service', 'Method'],
    ['/pkg%2EService/%4dethod', 'pkg.Service', 'Method'],
    ['/pkg.Service/Method/', 'pkg.Service', 'Method'],
    ['/pkg.Service//Method', 'pkg.Service', 'Method'],
    ['/pkg.Service;v=1/Method%3Bx', 'pkg.Service', 'Method'],
    ['/pkg.Service/Method/more/parts', 'pkg.Service', 'Method'],
    ['/a%20b/%20%25', 'a b', ' %'],
    ['/caf%C3%A9', 'caf\xc3\xa9', ''],
    ['/', '', ''],
    ['/?q', '', ''],
    ['*', '', ''],
  ]
  for (const [path, service, method] of cases) t.same(calledResource(path), { service, method }, path)
})

t.test('other requests: nothing that servers read in different ways', async t => {
  const paths = [
    ...['', 'a/b', '?a', 'http://a/b', '//a/b', '//', '/a#b', '/a/%', '/a/%2', '/a/%zz', '/a/%2', '/a\\b', '/a%5Cb'],
    ...['/a%2Fb', '/a%2fb', '/./a', '/../a', '/a/..', '/a/%2e%2E/b', '/a/.%2e', '/a/%00', '/a/%0d%0a', '/a/\x7f'],
    ...['/a b', '/a/b ', '/a\tb', '/caf\xe9'],
  ]
  for (const path of paths) t.equal(calledResource(path), undefined, path)
})

/** Paths of pieces that somebody may trip over. */
const PIECES = [
  '/',
  '//',
  '.',
  '..',
  'a',
  'pkg.Service',
  'B',
  '%2e',
  '%2F',
  '%41',
  '%',
  '?',
  '#',
  ';',
  '\\',
  ':',
  '@',
  '*',
  '&',
  '=',
]
const anyPath = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 2 })), { maxLength: 8 })
  .map(pieces => pieces.join(''))

t.test('gRPC: whatever is taken, URL parsers and decoders leave as it is', async () => {
  const run = { numRuns: 2_000 }
  const leaveIt = (path: string): boolean => {
    const called = calledMethod(path)
    if (called === undefined) return true
    const { pathname, host } = new URL(path, 'http://h')
    return (
      pathname === path &&
      host === 'h' &&
      decodeURIComponent(path) === path &&
      path === `/${called.service}/${called.method}`
    )
  }
  fc.assert(fc.property(anyPath, leaveIt), run)
  fc.assert(
    fc.property(anyPath, anyPath, (one, other) => leaveIt(`/${one}/${other}`)),
    run,
  )
})

t.test('other requests: whatever is taken, a URL parser finds the same parts', async () => {
  const same = (path: string): boolean => {
    const called = calledResource(path)
    if (called === undefined || path === '*') return true
    const { pathname, host } = new URL(path, 'http://h')
    const parts = pathname.split('/').map(part => unescape(part).replace(/;.*/s, ''))
    const [service = '', method = ''] = parts.filter(part => part !== '')
    return host === 'h' && service === called.service && method === called.method
  }
  fc.assert(
    fc.property(anyPath, path => same(`/${path}`)),
    { numRuns: 2_000 },
  )
})
