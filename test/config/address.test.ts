import fc from 'fast-check'
import t from 'tap'
import {
  AddressError,
  type EndpointAddress,
  formatEndpointAddress,
  formatListenAddress,
  type ListenAddress,
  parseEndpointAddress,
  parseListenAddress,
} from '../../src/config/address.ts'

t.test('addresses to listen on', async t => {
  const cases: [string, ListenAddress][] = [
    ['0.0.0.0:8080', { kind: 'tcp', host: '0.0.0.0', port: 8080 }],
    ['[::]:8080', { kind: 'tcp', host: '::', port: 8080 }],
    ['[2001:db8::1]:65535', { kind: 'tcp', host: '2001:db8::1', port: 65535 }],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['fd:web', { kind: 'inherited', name: 'web' }],
    ['unix:/run/proxy.sock', { kind: 'unix', path: '/run/proxy.sock' }],
    ['unix:///run/proxy.sock', { kind: 'unix', path: '/run/proxy.sock' }],
    ['unix:proxy.sock', { kind: 'unix', path: 'proxy.sock' }],
  ]
  for (const [text, address] of cases) t.strictSame(parseListenAddress(text), address, text)
})

t.test('addresses of endpoints', async t => {
  const cases: [string, EndpointAddress][] = [
    ['10.0.0.1:50051', { kind: 'tcp', scheme: undefined, host: '10.0.0.1', port: 50051 }],
    ['greeter_1.internal:50051', { kind: 'tcp', scheme: undefined, host: 'greeter_1.internal', port: 50051 }],
    ['http://localhost:50051', { kind: 'tcp', scheme: 'http', host: 'localhost', port: 50051 }],
    ['http://localhost:50051/', { kind: 'tcp', scheme: 'http', host: 'localhost', port: 50051 }],
    ['http://localhost', { kind: 'tcp', scheme: 'http', host: 'localhost', port: 80 }],
    ['https://api.example.com', { kind: 'tcp', scheme: 'https', host: 'api.example.com', port: 443 }],
    ['HTTPS://api.example.com.:8443', { kind: 'tcp', scheme: 'https', host: 'api.example.com.', port: 8443 }],
    ['https://[::1]', { kind: 'tcp', scheme: 'https', host: '::1', port: 443 }],
    ['[::1]:50051', { kind: 'tcp', scheme: undefined, host: '::1', port: 50051 }],
    ['unix:/run/greeter.sock', { kind: 'unix', path: '/run/greeter.sock' }],
  ]
  for (const [text, address] of cases) t.strictSame(parseEndpointAddress(text), address, text)
})

t.test('what is not an address is told how to become one', async t => {
  const listen: [string, RegExp][] = [
    ['8080', /needs a host too: write 0\.0\.0\.0:8080/],
    [':8080', /needs a host too: write 0\.0\.0\.0:8080 or "\[::\]:8080"/],
    ['*:8080', /write 0\.0\.0\.0 or \[::\] for all/],
    ['localhost', /has no port: write host:port/],
    ['localhost:http', /"http" is not a port: a number from 0 to 65535/],
    ['localhost:65536', /not a port/],
    ['localhost:-1', /not a port/],
    ['localhost:', /"" is not a port/],
    ['http://0.0.0.0:8080', /has no scheme/],
    ['::1', /goes in brackets/],
    ['[localhost]:80', /not an IPv6 address/],
    ['[::1]', /has no port/],
    ['unix:', /needs the path/],
    [`unix:/${'x'.repeat(103)}`, /at most 103 bytes/],
    ['', /has no host/],
  ]
  for (const [text, message] of listen)
    t.throws(() => parseListenAddress(text), { name: 'AddressError', message }, text)
  for (const text of ['fd:', 'fd:a:b', 'fd:\n', `fd:${'a'.repeat(256)}`])
    t.throws(
      () => parseListenAddress(text),
      { name: 'AddressError', message: /needs the name that systemd gives/ },
      text,
    )

  const endpoints: [string, RegExp][] = [
    ['localhost:0', /a number from 1 to 65535/],
    ['grpc://localhost:1', /grpc:\/\/ is not known: use http:/],
    ['dns:///localhost:1', /dns:\/\/ is not known/],
    ['http://localhost:1/path', /has no path/],
    ['http://localhost:1?x', /has no path/],
    ['http://me:secret@localhost:1', /no user name/],
    ['http://', /has no host/],
    ['10.0.0.256:1', /10\.0\.0\.256 is not an IPv4 address/],
    ['a b:1', /"a b" is not a host name/],
    ['-a:1', /not a host name/],
    ['a..b:1', /not a host name/],
    ['unix://host/path', /has no host/],
    ['a:1:2', /"1:2" is not a port/],
  ]
  for (const [text, message] of endpoints) {
    t.throws(() => parseEndpointAddress(text), { name: 'AddressError', message }, text)
  }
})

const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain())
const unix = fc.stringMatching(/^\/[a-z0-9/._-]{1,80}$/).filter(path => !path.startsWith('//'))

t.test('what is formatted is parsed to the same', async () => {
  fc.assert(
    fc.property(host, fc.nat(65535), (host, port) => {
      const address = { kind: 'tcp', host, port } as const
      same(parseListenAddress(formatListenAddress(address)), address)
    }),
  )
  fc.assert(
    fc.property(fc.constantFrom('http', 'https'), host, fc.integer({ min: 1, max: 65535 }), (scheme, host, port) => {
      const address = { kind: 'tcp', scheme, host, port } as const
      same(parseEndpointAddress(formatEndpointAddress(address)), address)
    }),
  )
  fc.assert(
    fc.property(unix, path => {
      same(parseListenAddress(formatListenAddress({ kind: 'unix', path })), { kind: 'unix', path })
      same(parseEndpointAddress(formatEndpointAddress({ kind: 'unix', path })), { kind: 'unix', path })
    }),
  )
})

t.test('any text is an address or an AddressError', async () => {
  const nearly = fc.stringMatching(/^(unix:|https?:\/\/)?[a-z0-9[\]:./@*-]{0,20}$/)
  fc.assert(
    fc.property(fc.oneof(fc.string(), nearly), text => {
      for (const parse of [parseListenAddress, parseEndpointAddress]) {
        try {
          parse(text)
        } catch (error) {
          if (!(error instanceof AddressError)) throw error
        }
      }
    }),
  )
})

function same(found: unknown, wanted: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(wanted)}`)
  }
}
