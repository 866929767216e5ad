import pino from 'pino'
import t from 'tap'
import { resolveConfig } from '../../src/config/resolve.ts'
import { createRouter } from '../../src/routing/router.ts'
import { problems, resolve } from './rig.ts'

const backends = { greeter: { endpoints: ['localhost:50051'] } }

t.test('one endpoint is a whole configuration: the rest are defaults', async t => {
  const { config, warnings } = resolve({ backends })
  t.strictSame(warnings, [])
  t.strictSame(config, {
    listeners: [],
    backends: {
      greeter: {
        name: 'greeter',
        endpoints: [{ name: 'http://localhost:50051', tcp: { host: 'localhost', port: 50051 }, tls: undefined }],
        balancer: 'round-robin',
        panicThreshold: 0.5,
        transport: 'frames',
        sessions: {
          max: 4,
          maxDraining: 32,
          reserve: 4,
          apart: 4,
          drainGraceMs: 600_000,
          ready: 0,
          idleTimeoutMs: 3_600_000,
          maxAgeMs: 0,
          ageGraceMs: 600_000,
        },
        connectTimeoutMs: 5000,
        backoff: { initialMs: 1000, multiplier: 1.6, maxMs: 120_000, jitter: 0.2 },
        queue: { maxCalls: 1000, timeoutMs: 5000 },
        resets: { burst: 500, perSecond: 30 },
        required: false,
      },
    },
    routes: [{ match: {}, backend: 'greeter' }],
    log: { level: 'info', access: true, pretty: 'auto', maxBufferedBytes: 4_194_304 },
    headers: { xForwardedFor: false, forwarded: false, via: false },
    tls: { watchFiles: true, expiryWarningDays: 14, ticketLifetimeMs: 300_000, ticketKeyMs: 43_200_000 },
    acceptNonGrpc: false,
    drain: { graceMs: 30_000 },
    limits: {
      maxHeaderListBytes: 65_536,
      maxHeaderFields: 128,
      maxConcurrentStreams: 1000,
      replayBytes: 65_536,
      prefaceTimeoutMs: 10_000,
      maxClientSessions: 10_000,
      clientAddressBits: { ipv4: 32, ipv6: 64 },
      clientIdleTimeoutMs: 3_600_000,
      clientMaxAgeMs: 0,
      clientAgeGraceMs: 600_000,
      tcpKeepaliveMs: 60_000,
      streamWindowBytes: 262_144,
      maxStreamWindowBytes: 4_194_304,
      maxSessionBufferedBytes: 67_108_864,
      maxBufferedBytes: 268_435_456,
      settingsTimeoutMs: 10_000,
      headersTimeoutMs: 10_000,
      stallTimeoutMs: 300_000,
      slowReaderTimeoutMs: 5_000,
      maxHeaderBlockBytes: 16_777_216,
      maxContinuations: 1_024,
      floods: {
        maxResets: { burst: 10_000, perSecond: 3_000 },
        maxPings: { burst: 200, perSecond: 20 },
        maxSettings: { burst: 100, perSecond: 10 },
        maxPriorities: { burst: 1_000, perSecond: 100 },
        maxUnknownFrames: { burst: 1_000, perSecond: 100 },
        maxEmptyData: { burst: 1_000, perSecond: 100 },
        maxWindowUpdates: { burst: 10_000, perSecond: 10_000 },
        maxIgnoredHeaders: { burst: 10_000, perSecond: 3_000 },
        maxInformational: { burst: 1_000, perSecond: 1_000 },
      },
    },
  })
})

t.test('each side says what carries it', async t => {
  const { config } = resolve({
    backends: { greeter: { ...backends.greeter, transport: 'native' } },
    listeners: [{ address: '127.0.0.1:0', transport: 'native' }, { address: '127.0.0.1:0' }],
  })
  t.equal(config.backends.greeter?.transport, 'native')
  t.strictSame(
    config.listeners.map(({ transport }) => transport),
    ['native', 'frames'],
  )
})

t.test('one number of a limit against floods leaves its others', async t => {
  const { config } = resolve({ backends, limits: { floods: { maxPings: { burst: 5 } } } })
  t.strictSame(config.limits.floods.maxPings, { burst: 5, perSecond: 20 })
  t.strictSame(config.limits.floods.maxResets, { burst: 10_000, perSecond: 3_000 })
  t.strictSame(problems({ backends, limits: { floods: { maxPings: { burst: 0 }, maxPing: {} } } }), [
    'limits.floods.maxPings.burst: must be at least 1, it is 0',
    'limits.floods.maxPing: unknown key, did you mean "maxPings"?',
  ])
})

t.test('what is given replaces its default and no other', async t => {
  const { config } = resolve({
    backends: { greeter: { ...backends.greeter, queue: { maxCalls: 1 } } },
    limits: { replayBytes: 0 },
  })
  t.strictSame(config.backends.greeter?.queue, { maxCalls: 1, timeoutMs: 5000 })
  t.equal(config.limits.replayBytes, 0)
  t.equal(config.limits.maxHeaderFields, 128)
})

t.test('listeners become hosts and ports, or paths', async t => {
  const { config } = resolve({
    listeners: [{ address: '[::]:0' }, { address: '0.0.0.0:0' }, { address: '0.0.0.0:0' }, { address: 'unix:p.sock' }],
    backends,
  })
  t.strictSame(config.listeners, [
    { address: '[::]:0', transport: 'frames', host: '::', port: 0 },
    { address: '0.0.0.0:0', transport: 'frames', host: '0.0.0.0', port: 0 },
    { address: '0.0.0.0:0', transport: 'frames', host: '0.0.0.0', port: 0 },
    { address: 'unix:p.sock', transport: 'frames', host: '', port: 0, path: '/etc/proxy/p.sock' },
  ])
})

t.test('code gives what YAML cannot hold', async t => {
  const director = () => undefined
  const logger = pino({ level: 'silent' })
  const { config } = resolve({ director, logger })
  t.equal(config.director, director)
  t.equal(config.logger, logger)
  t.strictSame(config.routes, [], 'with a director there is no default route')
  t.strictSame(problems({ backends, director: 'x', logger: console.log }), [
    'director: expected a function, which only code can give',
    'logger: expected a pino logger, which only code can give',
  ])
})

t.test('the routes that come out are those of the router', async t => {
  const { config } = resolve({ backends, routes: [{ match: { method: 'M' }, backend: 'greeter' }] })
  t.doesNotThrow(() => createRouter(config.routes))
})

t.test('something must be there, and something must choose', async t => {
  t.strictSame(problems({}), ['backends: there is no backend: give at least one'])
  t.strictSame(problems({ backends: {} }), ['backends: there is no backend: give at least one'])
  const two = { one: backends.greeter, two: backends.greeter }
  t.strictSame(problems({ backends: two }), [
    'routes: there are 2 backends (one, two) and no route that says which gets a call',
  ])
  t.strictSame(problems({ backends, director: () => undefined, routes: [{ backend: 'greeter' }] }), [
    'director: decides instead of routes: give one of the two',
  ])
})

t.test('input that is no configuration at all', async t => {
  for (const input of [null, 5, 'x', []]) t.equal(problems(input).length > 0, true, JSON.stringify(input))
})

t.test('routes', async t => {
  const wrong = (route: unknown): string[] => problems({ backends, routes: [route] })
  const cases: [unknown, string][] = [
    [{}, 'routes[0]: says nothing about where its calls go: give it backend, backends or deny'],
    [
      { backend: 'greeter', deny: 'ABORTED' },
      'routes[0]: has backend and deny: a route has one of backend, backends and deny',
    ],
    [{ deny: 'OK' }, 'routes[0].deny: "OK" is not one of CANCELLED'],
    [{ deny: 'UNAVAILBLE' }, 'did you mean "UNAVAILABLE"?'],
    [{ deny: 14 }, 'routes[0].deny: expected "CANCELLED"'],
    [{ backend: 'greeter', message: 'x' }, 'routes[0].message: goes only with deny'],
    [{ backend: 'greeter', hashKey: 'authority' }, 'routes[0].hashKey: says which of several backends gets a call'],
    [{ backends: [{ backend: 'greeter' }], hashKey: 'cookie' }, 'routes[0].hashKey: '],
    [{ backends: [{ backend: 'greeter' }], hashKey: { metadata: 'X' } }, 'routes[0].hashKey.metadata: '],
    [{ deny: 'ABORTED', rewriteAuthority: 'x' }, 'routes[0].rewriteAuthority: has no effect with deny'],
    [{ deny: 'ABORTED', hedge: { delayMs: 1 } }, 'routes[0].hedge: has no effect with deny'],
    [{ backend: 'greeter', retry: {}, hedge: { delayMs: 1 } }, 'routes[0].hedge: goes not together with retry'],
    [
      { backend: 'greeter', hedge: { delayMs: 0, percentile: 95 } },
      'routes[0].hedge.percentile: makes a delay shorter: give delayMs more than 0',
    ],
    [{ backend: 'greter' }, 'routes[0].backend: there is no backend "greter", did you mean "greeter"?'],
    [{ backend: 'x' }, 'routes[0].backend: there is no backend "x"; there is greeter'],
    [{ backends: [] }, 'routes[0].backends: must not be empty'],
    [{ backends: [{ backend: 'greeter', weight: 0 }] }, 'routes[0].backends[0].weight: must be more than 0'],
    [{ backends: [{ backend: 'nope' }] }, 'routes[0].backends[0].backend: there is no backend "nope"'],
    [{ backend: 'greeter', mach: {} }, 'routes[0].mach: unknown key, did you mean "match"?'],
    [{ backend: 'greeter', zzz: 1 }, 'routes[0].zzz: unknown key; known here: match, backend'],
    [{ backend: 'greeter', match: { service: '*' } }, 'to match every service leave service out'],
    [{ backend: 'greeter', match: { service: 'a*' } }, 'a * stands only at the end'],
    [{ backend: 'greeter', match: { service: '/a.B' } }, 'a service is a name without "/"'],
    [{ backend: 'greeter', match: { service: [] } }, 'routes[0].match.service: must not be empty'],
    [
      { backend: 'greeter', match: { service: ['a', ''] } },
      'routes[0].match.service[1]: "" is not the name of a service',
    ],
    [{ backend: 'greeter', match: { service: 5 } }, 'expected a string or a list, found 5; put it in quotes: "5"'],
    [{ backend: 'greeter', match: { method: 'a/b' } }, 'a method is a name without "/"'],
    [{ backend: 'greeter', match: { authority: '*' } }, 'to match every authority leave authority out'],
    [{ backend: 'greeter', match: { authority: 'a.*' } }, 'a * stands only at the start'],
    [{ backend: 'greeter', match: { authority: 'http://a' } }, 'without a scheme or path'],
    [{ backend: 'greeter', match: { authority: 'a:b' } }, '"b" is not a port'],
    [{ backend: 'greeter', match: { metadata: { 'X-A': '1' } } }, 'lower case in HTTP/2: write x-a'],
    [{ backend: 'greeter', match: { metadata: { ':path': '1' } } }, 'pseudo-header fields are not metadata'],
    [
      { backend: 'greeter', match: { metadata: { a: true } } },
      'match.metadata.a: expected a string or a map, found true; put it in',
    ],
    [
      { backend: 'greeter', match: { metadata: { a: { prefx: 'b' } } } },
      'metadata.a.prefx: unknown key, did you mean "prefix"?',
    ],
    [
      { backend: 'greeter', match: { metadata: { a: { prefix: 'b', list: 'some' } } } },
      'metadata.a.list: "some" is not one of all, any, whole',
    ],
    [
      { backend: 'greeter', match: { metadata: { a: { present: true, list: 'any' } } } },
      'metadata.a.list: unknown key',
    ],
    [{ backend: 'greeter', addMetadata: { te: 'x' } }, 'te belongs to the protocol'],
    [{ backend: 'greeter', addMetadata: { 'grpc-timeout': '1S' } }, 'grpc-timeout belongs to the protocol'],
    [{ backend: 'greeter', addMetadata: { a: 'ü' } }, 'a metadata value is printable ASCII'],
    [{ backend: 'greeter', addMetadata: { a: 'b ' } }, 'without spaces at its ends'],
    [{ backend: 'greeter', rewriteAuthority: 'a b' }, '"a b" is not a host name'],
    [{ backend: 'greeter', rewriteAuthority: '*.a' }, 'has no place for a *'],
    [null, 'routes[0]: is empty: a map is needed here'],
  ]
  for (const [route, message] of cases) {
    const found = wrong(route)
    t.ok(
      found.some(problem => problem.includes(message)),
      `${JSON.stringify(route)}: ${message}`,
      { found },
    )
  }
})

/** What is wrong with this backend. */
const wrong = (backend: object): string[] => problems({ backends: { a: { endpoints: ['h:1'], ...backend } } })

t.test('backends and listeners', async t => {
  t.strictSame(wrong({ endpoints: [] }), ['backends.a.endpoints: must not be empty'])
  t.strictSame(wrong({ endpoints: undefined }), ['backends.a.endpoints: is missing: a list or a source is needed here'])
  t.strictSame(wrong({ source: { file: 'a.yaml' } }), [
    'backends.a.source: is instead of endpoints: give one of the two',
  ])
  t.strictSame(wrong({ endpoints: undefined, source: { file: 'a.yaml', poll: 1 } }), [
    'backends.a.source.poll: unknown key; known here: file',
  ])
  const source = (dns: string, more: object = {}) => wrong({ endpoints: undefined, source: { dns, ...more } })
  t.strictSame(source('h:1'), [])
  t.strictSame(source('https://h', { minIntervalMs: 100, maxIntervalMs: 100 }), [])
  t.match(source('h'), ['backends.a.source.dns: "h" has no port: write host:port'])
  t.match(source('unix:/x'), ['backends.a.source.dns: a socket is no name in DNS: give it in endpoints'])
  t.match(source('h:1', { minIntervalMs: 400_000 }), [/^backends\.a\.source\.maxIntervalMs: must not be less than min/])
  t.match(source('h:1', { file: 'a' }), [/^backends\.a\.source\.file: unknown key/])
  t.match(wrong({ endpoints: undefined, source: { dns: 'h:1' }, tls: {} }), [/^backends\.a\.source\.dns: is plaintext/])
  t.strictSame(source('h:1', { servers: ['10.0.0.2', '10.0.0.2:5353', '[fd00::2]:53'] }), [])
  t.strictSame(source('h:1', { servers: ['ns.test'] }), [
    'backends.a.source.servers[0]: "ns.test" is no address of a DNS server: write 10.0.0.2, 10.0.0.2:5353 or "[fd00::2]:53"',
  ])
  t.match(source('h:1', { servers: [] }), [/^backends\.a\.source\.servers: must not be empty/])
  t.match(source('h:1', { jitter: 2, maxEndpoints: 0 }), [
    /jitter: must be at most 1, it is 2/,
    /maxEndpoints: .* least 1/,
  ])
  t.strictSame(wrong({ endpoints: 'h:1' }), ['backends.a.endpoints: expected a list, found "h:1"'])
  t.strictSame(wrong({ endpoints: [{ adress: 'h:1' }] }), [
    'backends.a.endpoints[0].address: is missing: a string is needed here',
    'backends.a.endpoints[0].adress: unknown key, did you mean "address"?',
  ])
  t.match(wrong({ endpoints: [{ name: 'x', connect: 'y' }] }), [
    /^backends\.a\.endpoints\[0\]\.connect: expected a function/,
  ])
  t.match(wrong({ transport: 'native2' }), [/is not one of native, frames, did you mean "native"\?/])
  t.match(wrong({ connectTimeoutMs: 1.5 }), ['backends.a.connectTimeoutMs: expected a whole number, found 1.5'])
  t.match(wrong({ connectTimeoutMs: 0 }), ['backends.a.connectTimeoutMs: must be at least 1, it is 0'])
  t.match(wrong({ connectTimeoutMs: 2 ** 31 }), [/must be at most 2147483647/])
  t.match(wrong({ connectTimeoutMs: '5s' }), ['backends.a.connectTimeoutMs: expected a number, found "5s"'])
  t.match(wrong({ sessions: { max: 2, ready: 3 } }), [
    /^backends\.a\.sessions\.ready: must not be more than sessions\.max/,
  ])
  t.match(wrong({ backoff: { initialMs: 9, maxMs: 8 } }), [
    /^backends\.a\.backoff\.maxMs: must not be less than initialMs/,
  ])
  t.match(wrong({ backoff: { jitter: 2 } }), [/^backends\.a\.backoff\.jitter: must be at most 1/])
  t.match(wrong({ keepalive: { intervalMs: 10, timeoutMs: 0 } }), [
    /^backends\.a\.keepalive\.intervalMs: must be at least 1000/,
    /^backends\.a\.keepalive\.timeoutMs: must be at least 1000/,
  ])
  t.match(wrong({ sessions: { idleTimeoutMs: 5, maxAgeMs: 999 } }), [
    /^backends\.a\.sessions\.idleTimeoutMs: must be 0 \(never\) or at least 1000/,
    /^backends\.a\.sessions\.maxAgeMs: must be 0 \(never\) or at least 1000/,
  ])
  t.match(problems({ backends, limits: { clientMaxAgeMs: 2 ** 31 - 1, clientKeepalive: { withoutCalls: true } } }), [
    /^limits\.clientKeepalive\.withoutCalls: unknown key; known here: intervalMs, timeoutMs/,
    /^limits\.clientMaxAgeMs: must be at most 1952000000/,
  ])
  t.match(problems({ backends: { 'a b': backends.greeter } }), [/^backends\["a b"\]: a backend name has/])

  const listen = (...listeners: unknown[]): string[] => problems({ backends, listeners })
  t.match(listen({ address: 8080 }), [/found 8080; put it in quotes/])
  t.match(listen({ address: '8080' }), ['listeners[0].address: "8080" needs a host too'])
  t.match(listen({ address: '[::]:1' }, { address: '[::]:1' }), [
    'listeners[1].address: [::]:1 is taken by listeners[0]',
  ])
  t.match(listen({ address: 'unix:/x' }, { address: 'unix:///x' }), [/unix:\/x is taken/])
})

t.test('gRPC-Web on listeners', async t => {
  const web = (value: unknown) => ({ backends, listeners: [{ address: '127.0.0.1:0', web: value }] })
  const settings = (value: unknown) => resolveConfig(web(value)).config.listeners[0]!.web
  t.equal(settings(undefined), undefined)
  t.equal(settings(false), undefined)
  t.same(settings(true), { origins: [], credentials: false, maxAgeMs: 7_200_000 })
  const origins = [
    'https://app.test',
    'https://*.app.test:8443',
    'http://localhost:*',
    'http://[::1]:3000',
    'app+x://id',
  ]
  t.same(settings({ origins, credentials: true })?.origins, origins)
  const wrong = (...given: string[]) => problems(web({ origins: given }))
  for (const [given, why] of [
    ['https://app.test/', /ends with a slash/],
    ['https://App.test', /has capital letters/],
    ['https://app.test:443', /own port/],
    ['http://app.test:80', /own port/],
    ['app.test', /is not an origin/],
    ['https://app.*.test', /is not an origin/],
    ['null', /is not an origin/],
    ['https://app.test/path', /is not an origin/],
  ] as const)
    t.match(wrong(given), [why], given)
  t.match(problems(web({ origins: ['*'], credentials: true })), [/^listeners\[0\]\.web\.credentials: cannot be with/])
  t.match(problems(web('yes')), [/^listeners\[0\]\.web: expected true or false or a map/])
})

t.test('tls that would not do what it says is an error', async t => {
  const wrong = (endpoints: unknown[], tls: object): string[] => problems({ backends: { a: { endpoints, tls } } })
  t.strictSame(wrong(['http://h:1'], {}), ['backends.a.tls: is not used: no endpoint is https://'])
  t.strictSame(wrong(['h:1'], {}), [
    'backends.a.endpoints[0]: is plaintext although the backend has tls: write https://h:1 or http://h:1',
  ])
  t.strictSame(wrong(['unix:/x'], {}), [
    'backends.a.tls: needs serverName: a unix socket has no host to check the certificate against',
  ])
  t.strictSame(problems({ backends: { a: { endpoints: ['https://h', 'http://h:1'], tls: {} } } }), [])
})

t.test('warnings do not stop anything', async t => {
  const { warnings } = resolve({
    backends: { a: { endpoints: ['h:1', { address: 'h:1' }] }, b: { endpoints: ['h:2'] }, c: { endpoints: ['h:3'] } },
    routes: [{ backend: 'a' }, { match: { service: 'x.Y' }, backend: 'b' }],
  })
  t.strictSame(
    warnings.map(({ path, message }) => `${path}: ${message}`),
    [
      'routes[1]: is never reached: routes[0] takes every call',
      'backends.c: no route leads to this backend',
      'backends.a.endpoints[1]: the same address as endpoints[0]: it gets two shares',
    ],
  )
})

t.test('the mode of a unix socket is text in octal digits, and for unix sockets only', async t => {
  const { config } = resolve({
    backends,
    listeners: [
      { address: 'unix:/run/a.sock', socketMode: '0660' },
      { address: 'unix:/run/b.sock', socketMode: '600' },
    ],
  })
  t.strictSame(
    config.listeners.map(({ socketMode }) => socketMode),
    [0o660, 0o600],
  )
  const wrong = (address: string, socketMode: unknown) => problems({ backends, listeners: [{ address, socketMode }] })
  // YAML 1.2 reads 0660 as this.
  t.match(wrong('unix:/run/a.sock', 660), [
    /^listeners\[0\]\.socketMode: expected a string, found 660; put it in quotes/,
  ])
  for (const mode of ['0o660', '66', '0888', 'rw-rw----', '1777'])
    t.strictSame(wrong('unix:/run/a.sock', mode), [
      'listeners[0].socketMode: is the mode of a file as text, in octal digits: "0660"',
    ])
  t.strictSame(wrong('127.0.0.1:0', '0660'), [
    'listeners[0].socketMode: is for unix sockets: the address is not unix:/path',
  ])
})
