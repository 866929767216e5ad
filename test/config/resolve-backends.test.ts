/** Backends and their endpoints in a configuration: what is filled in, and what is said to mistakes. */
import { Duplex } from 'node:stream'
import t from 'tap'
import type { ProxyOptions } from '../../src/config/options.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import { problems, resolve } from './rig.ts'

/** What is wrong with this backend. */
const wrong = (backend: object): string[] => problems({ backends: { a: { endpoints: ['h:1'], ...backend } } })

t.test('endpoints become addresses', async t => {
  const connect = () => new Duplex()
  const { config } = resolve({
    backends: {
      plain: {
        endpoints: ['10.0.0.1:1', 'http://h:2', { address: '[::1]:3' }, 'unix:run/x', { name: 'here', connect }],
      },
      secure: { endpoints: ['https://api.example.com', 'https://10.0.0.1:8443'] },
      named: {
        endpoints: ['https://h', 'unix:/x', { name: 'tunnel', connect }, 'http://h:1'],
        tls: { serverName: 'n' },
      },
    },
    routes: [{ backends: [{ backend: 'plain' }, { backend: 'secure' }, { backend: 'named', weight: 2 }] }],
  })
  t.strictSame(config.backends.plain?.endpoints, [
    { name: 'http://10.0.0.1:1', tcp: { host: '10.0.0.1', port: 1 }, tls: undefined },
    { name: 'http://h:2', tcp: { host: 'h', port: 2 }, tls: undefined },
    { name: 'http://[::1]:3', tcp: { host: '::1', port: 3 }, tls: undefined },
    { name: 'unix:/etc/proxy/run/x', unix: '/etc/proxy/run/x', tls: undefined },
    { name: 'here', connect, tls: undefined },
  ])
  t.match(config.backends.secure?.endpoints, [
    { name: 'https://api.example.com:443', tls: { serverName: 'api.example.com' } },
    { name: 'https://10.0.0.1:8443', tls: { serverName: '10.0.0.1' } },
  ])
  t.match(
    config.backends.named?.endpoints.map(address => address.tls),
    [{ serverName: 'n' }, { serverName: 'n' }, { serverName: 'n' }, undefined],
  )
})

t.test('srv: a name without a port', async t => {
  const source = (srv: unknown, more: object = {}) => wrong({ endpoints: undefined, source: { srv }, ...more })
  for (const srv of ['_grpc._tcp.greeter.internal', 'https://greeter.service.consul.', 'http://x']) {
    t.strictSame(source(srv), [], srv)
  }
  t.strictSame(source('_grpc._tcp.x:1'), [
    'backends.a.source.srv: "_grpc._tcp.x:1" has a port: SRV records tell it, so write the name alone',
  ])
  t.match(source('10.0.0.1'), [/is an address: SRV records belong to a name/])
  t.match(source(`${'a'.repeat(64)}.x`), [/more than 63 characters between its dots/])
  t.match(source('a/b'), [/is not a host name/])
  t.match(source(5), [/^backends\.a\.source\.srv: expected a string, found 5/])
  t.match(source('_grpc._tcp.x', { tls: {} }), [
    /^backends\.a\.source\.srv: is plaintext although the backend has tls: write https:\/\/_grpc\._tcp\.x or http/,
  ])
  t.match(source('http://x', { tls: {} }), [/^backends\.a\.tls: is not used/])
  t.strictSame(source('https://x', { tls: {} }), [])
})

t.test('a source that does not say what it is, and one that is misspelt', async t => {
  const source = (value: unknown) => wrong({ endpoints: undefined, source: value })
  const needed = 'backends.a.source: does not say where the endpoints come from: one of dns, srv, file is needed'
  t.strictSame(source({}), [needed])
  t.strictSame(source({ path: 'a.yaml' }), [needed])
  t.strictSame(source({ flle: 'a.yaml' }), [`${needed}; "flle" is unknown, did you mean "file"?`])
  t.strictSame(source({ minIntervalMs: 5000, srvs: 'x' }), [`${needed}; "srvs" is unknown, did you mean "srv"?`])
  t.match(source({ file: 'a', maxEndpionts: 1 }), [/^backends\.a\.source\.maxEndpionts: unknown key; known here: file/])
  t.match(source({ srv: 'x', maxEndpionts: 1 }), [/maxEndpionts: unknown key, did you mean "maxEndpoints"\?/])
  t.match(source('file'), [/^backends\.a\.source: expected a map/])
  t.match(source({ start: 5 }), [needed])
  t.strictSame(source({ start() {} }), [], 'in code')
})

t.test('endpoints may have a weight, a priority and a locality, and the backend says what they mean', async t => {
  const { config, warnings } = resolve({
    backends: {
      greeter: {
        endpoints: [
          { address: '10.0.0.1:1', weight: 0, priority: 0, locality: 'a' },
          { address: '10.0.0.2:1', weight: 65_535, priority: 65_535 },
        ],
        subset: {},
        locality: { own: 'a' },
        panicThreshold: 0,
        slowStart: { minWeight: 0.5 },
      },
    },
  })
  const { greeter } = config.backends
  t.match(greeter?.endpoints, [
    { weight: 0, priority: 0, locality: 'a' },
    { weight: 65_535, priority: 65_535 },
  ])
  t.match(greeter, {
    subset: { size: 20 },
    locality: { own: 'a' },
    panicThreshold: 0,
    slowStart: { windowMs: 30_000, minWeight: 0.5, aggression: 1 },
  })
  t.strictSame(warnings, [])
})

t.test('weights and priorities have bounds, and slow start needs a balancer that knows weights', async t => {
  const greeter = (more: object) => ({ backends: { greeter: { endpoints: ['a:1'], ...more } } })
  t.strictSame(problems(greeter({ endpoints: [{ address: 'a:1', weight: 2 ** 31 }] })), [
    'backends.greeter.endpoints[0].weight: must be at most 65535, it is 2147483648',
  ])
  t.strictSame(problems(greeter({ endpoints: [{ address: 'a:1', weight: -1 }] })), [
    'backends.greeter.endpoints[0].weight: must be at least 0, it is -1',
  ])
  t.strictSame(problems(greeter({ endpoints: [{ address: 'a:1', weight: Number.NaN }] })), [
    'backends.greeter.endpoints[0].weight: expected a number, found NaN',
  ])
  t.strictSame(problems(greeter({ endpoints: [{ address: 'a:1', priority: 1.5 }] })), [
    'backends.greeter.endpoints[0].priority: expected a whole number, found 1.5',
  ])
  t.strictSame(problems(greeter({ balancer: 'pick-first', slowStart: {} })), [
    'backends.greeter.slowStart: is not for the balancer pick-first, which gives an endpoint its calls at once',
  ])
  const { warnings } = resolve(greeter({ endpoints: [{ address: 'a:1', weight: 0 }] }))
  t.match(warnings, [
    { path: 'backends.greeter.endpoints', message: 'have the weight 0, all of them: every call fails' },
  ])
})

t.test('balancers that hash cannot be had by their names alone: they need a key', async t => {
  for (const balancer of ['maglev', 'ring-hash'])
    t.same(problems({ backends: { greeter: { endpoints: ['h:1'], balancer } } } as never), [
      `backends.greeter.balancer: ${balancer} needs a key: { kind: ${balancer}, key: client-address }, or another key`,
    ])
})

t.test('locality: an own one that no endpoint has is told, with those that there are', async t => {
  const warningsOf = (locality: object, ...endpoints: (string | object)[]) =>
    resolve({ backends: { greeter: { locality, endpoints } } } as ProxyOptions).warnings.map(
      ({ path, message }) => `${path} ${message}`,
    )
  t.same(warningsOf({ own: 'a' }, { address: 'h:1', locality: 'a' }, 'h:2'), [])
  t.same(warningsOf({ own: 'A' }, { address: 'h:1', locality: 'a' }, { address: 'h:2', locality: 'b' }), [
    'backends.greeter.locality.own is the locality of no endpoint, so calls go to all alike: they have a, b',
  ])
  t.same(warningsOf({ own: 'a' }, 'h:1'), [
    'backends.greeter.locality.own is the locality of no endpoint, so calls go to all alike: none of them has a locality',
  ])
})

t.test('balancers: what each has by default, and what it says to what it cannot use', async t => {
  const balancerOf = (balancer: object) =>
    resolve({ backends: { greeter: { endpoints: ['h:1'], balancer } } } as ProxyOptions).config.backends.greeter!
      .balancer
  for (const [given, whole] of [
    [{ kind: 'peak-ewma' }, { kind: 'peak-ewma', choices: 2, decayMs: 10_000, defaultLatencyMs: 30 }],
    [
      { kind: 'weighted-round-robin' },
      { kind: 'weighted-round-robin', blackoutMs: 10_000, expirationMs: 180_000, updateMs: 1_000, errorPenalty: 1 },
    ],
    [
      { kind: 'ring-hash', key: 'method' },
      { kind: 'ring-hash', key: 'method', pointsPerWeight: 256 },
    ],
    [
      { kind: 'maglev', key: { metadata: 'x-user' }, boundedLoad: 1.25 },
      { kind: 'maglev', key: { metadata: 'x-user' }, boundedLoad: 1.25, tableSize: 65_537 },
    ],
  ] as const)
    t.strictSame(balancerOf(given), whole)
  for (const [balancer, ...faults] of [
    [
      { kind: 'dice' },
      '.kind: "dice" is not one of round-robin, pick-first, least-request, peak-ewma, weighted-round-robin, ring-hash, maglev',
    ],
    [{ kind: 'maglev' }, '.key: is missing: "client-address" or "authority" or "method" or a map is needed here'],
    [
      { kind: 'ring-hash', key: { metadata: 'X-User' } },
      '.key.metadata: metadata names are lower case in HTTP/2: write x-user',
    ],
    [{ kind: 'maglev', key: 'method', tableSize: 65_536 }, '.tableSize: must be a prime number, such as 65537'],
    [{ kind: 'ring-hash', key: 'method', boundedLoad: 1 }, '.boundedLoad: must be at least 1.05, it is 1'],
    [{ kind: 'ring-hash', key: 'method', pointsPerWeight: 0 }, '.pointsPerWeight: must be at least 1, it is 0'],
    [{ kind: 'peak-ewma', decayMs: 99 }, '.decayMs: must be at least 100, it is 99'],
    [{ kind: 'weighted-round-robin', updateMs: 99 }, '.updateMs: must be at least 100, it is 99'],
    [{ kind: 'least-request', key: 'method' }, '.key: unknown key; known here: kind, choices'],
  ] as const)
    t.strictSame(
      wrong({ balancer }),
      faults.map(fault => `backends.a.balancer${fault}`),
    )
})

t.test('health and outliers: all has a default, and what makes no sense is told', async t => {
  const withOptions = (options: object) => ({ backends: { greeter: { endpoints: ['localhost:50051'], ...options } } })
  const { health, outliers } = resolve(withOptions({ health: {}, outliers: {} })).config.backends.greeter!
  t.strictSame(health, { kind: 'grpc', intervalMs: 5000, timeoutMs: 1000, unhealthyThreshold: 2, healthyThreshold: 2 })
  // gRFC A50.
  t.strictSame(outliers, {
    intervalMs: 10_000,
    baseEjectionMs: 30_000,
    maxEjectionMs: 300_000,
    maxEjectedPercent: 10,
    statuses: ['UNAVAILABLE', 'INTERNAL', 'UNKNOWN'],
    consecutiveFailures: 5,
    successRate: { stdevFactor: 1.9, minimumEndpoints: 5, requestVolume: 100, enforcementPercent: 100 },
    failurePercentage: { threshold: 85, minimumEndpoints: 5, requestVolume: 50, enforcementPercent: 100 },
  })
  t.same(problems(withOptions({ health: { intervalMs: 500, timeoutMs: 501 } })), [
    'backends.greeter.health.timeoutMs: must not be more than intervalMs, which is 500',
  ])
  t.same(problems(withOptions({ health: { kind: 'connect', service: 'pkg.Service' } })), [
    'backends.greeter.health.service: a check of kind "connect" asks for no service',
  ])
  t.match(problems(withOptions({ health: { intervalMs: 99 } })), [/^backends\.greeter\.health\.intervalMs: .*100/])
  t.match(problems(withOptions({ health: { healthyThreshold: 0 } })), [/healthyThreshold: /])
  t.match(problems(withOptions({ outliers: { maxEjectedPercent: 101 } })), [/maxEjectedPercent: .*100/])
  t.match(problems(withOptions({ outliers: { statuses: ['OK'] } })), [/statuses\[0\]: /])
  t.match(problems(withOptions({ outliers: { statuses: [] } })), [/statuses: /])
  t.match(problems(withOptions({ outliers: { succesRate: {} } })), [
    /succesRate: unknown key, did you mean "successRate"/,
  ])
})

t.test('limits of a backend: defaults, bounds, and what is wrong with each', async t => {
  const greeter = (more: object) => ({ backends: { greeter: { endpoints: ['a:1'], ...more } } })
  const limits = (more: object) => {
    const { breaker, endpointLimit, queue } = resolveConfig(greeter(more)).config.backends.greeter!
    return { breaker, endpointLimit, queue }
  }
  t.match(limits({}), { breaker: undefined, endpointLimit: undefined, queue: { priority: undefined } })
  t.strictSame(limits({ endpointLimit: { kind: 'gradient' } }).endpointLimit, {
    ...{ kind: 'gradient', min: 10, max: 1000, windowMs: 1000, tolerance: 2 },
  })
  t.strictSame(limits({ queue: { priority: {} } }).queue.priority, { shedAt: 0.5 })
  for (const [more, ...expected] of [
    [{ breaker: { maxCalls: 0 } }, 'breaker.maxCalls: must be at least 1, it is 0'],
    [{ breaker: { maxSessions: 2 ** 31 } }, 'breaker.maxSessions: must be at most 100000, it is 2147483648'],
    [{ breaker: { maxRetrys: 1 } }, 'breaker.maxRetrys: unknown key, did you mean "maxRetries"?'],
    [{ endpointLimit: {} }, 'endpointLimit.maxCalls: is missing: a number is needed here'],
    [{ endpointLimit: { kind: 'vegas' } }, 'endpointLimit.kind: "vegas" is not one of fixed, gradient, aimd'],
    [{ endpointLimit: { kind: 'aimd' } }, 'endpointLimit.latencyMs: is missing: a number is needed here'],
    [
      { endpointLimit: { kind: 'gradient', min: 9, max: 8 } },
      'endpointLimit.max: must not be less than min, which is 9',
    ],
    [{ queue: { priority: { shedAt: 1.5 } } }, 'queue.priority.shedAt: must be at most 1, it is 1.5'],
    [{ queue: { priority: { metadata: ':path' } } }, 'queue.priority.metadata: pseudo-header fields are not metadata'],
  ] as const)
    t.strictSame(
      problems(greeter(more)),
      expected.map(text => `backends.greeter.${text}`),
    )
  t.match(problems({ ...greeter({}), routes: [{ deny: 'ABORTED', priority: 'critical' }] }), [
    'routes[0].priority: has no effect with deny: the calls go nowhere',
  ])
})
