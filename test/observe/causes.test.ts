import http2 from 'node:http2'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { createProxy } from '../../src/index.ts'
import { CONNECT_FAILURES, connectFailureOf, reasonOf } from '../../src/transport/connect-failure.ts'
import { until } from '../support/until.ts'
import { type BackendOptions, ca, listening, made, plain, server, UNREACHABLE } from './unreachable.ts'

type Line = Record<string, unknown>

interface Failing {
  readonly backend?: (t: Test) => Promise<BackendOptions>
  /** Request fields beside the usual ones; `:path` instead of `/failing.<name>/Call`. */
  readonly fields?: Readonly<Record<string, string>>
  /** What the client does with its call, once it is there. */
  readonly client?: (call: http2.ClientHttp2Stream) => void
  readonly says: Line
}

type Answer = (stream: http2.ServerHttp2Stream, hangUp: () => void) => void

async function answering(t: Test, answer: Answer, settings: http2.Settings = {}): Promise<BackendOptions> {
  const made = http2.createServer({ settings })
  const sockets: Socket[] = []
  made.on('connection', (socket: Socket) => sockets.push(socket))
  made.on('stream', stream => {
    stream.on('error', () => {})
    answer(stream as http2.ServerHttp2Stream, () => sockets.forEach(socket => void socket.destroy()))
  })
  return plain(await listening(t, made as unknown as net.Server))
}

const OWN = { endedBy: 'proxy', endpoint: '' }

const FAILING: Readonly<Record<string, Failing>> = {
  deadline: {
    backend: t => answering(t, () => {}),
    fields: { 'grpc-timeout': '80m' },
    says: {
      ...{ grpcStatus: 'DEADLINE_EXCEEDED', reason: 'deadline', endedBy: 'proxy', timeoutMs: 80 },
      advice: /^compare timeoutMs with what the backend takes/,
    },
  },
  clientLeft: {
    backend: t => answering(t, () => {}),
    client: call => setTimeout(() => call.close(http2.constants.NGHTTP2_CANCEL), 50),
    says: { grpcStatus: 'CANCELLED', reason: 'reset-CANCEL', endedBy: 'client', advice: undefined, cause: undefined },
  },
  noRoute: {
    fields: { ':path': '/nowhere.To/Be' },
    says: {
      ...OWN,
      backend: '',
      grpcStatus: 'UNIMPLEMENTED',
      reason: 'no-route',
      advice: /^add a route for this path/,
    },
  },
  queueTimeout: {
    // It takes connections and no calls.
    backend: async t => ({
      ...(await answering(t, () => {}, { maxConcurrentStreams: 0 })),
      queue: { timeoutMs: 80 },
    }),
    says: {
      ...{ ...OWN, grpcStatus: 'UNAVAILABLE', reason: 'queue-timeout', cause: 'no stream was free within 80 ms' },
      advice: /^all streams of the backend are taken: add endpoints or sessions\.max/,
    },
  },
  queueFull: {
    backend: async t => ({ ...(await answering(t, () => {}, { maxConcurrentStreams: 0 })), queue: { maxCalls: 0 } }),
    says: {
      ...OWN,
      grpcStatus: 'UNAVAILABLE',
      reason: 'queue-full',
      advice: /^the backend has less room than calls come/,
    },
  },
  headersTooLarge: {
    backend: t => answering(t, stream => stream.respond({ 'x-large': 'x'.repeat(20_000) })),
    says: { grpcStatus: 'RESOURCE_EXHAUSTED', reason: 'headers-too-large', advice: /limits\.maxHeaderListBytes/ },
  },
  backendResets: {
    backend: t => answering(t, stream => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)),
    says: {
      ...{ grpcStatus: 'INTERNAL', reason: 'upstream-reset', endedBy: 'backend' },
      ...{ grpcMessage: 'the backend reset the stream: INTERNAL_ERROR' },
      advice: 'the log of the backend says why it reset the stream',
    },
  },
  backendRefuses: {
    backend: t => answering(t, stream => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)),
    says: {
      ...{ grpcStatus: 'UNAVAILABLE', reason: 'upstream-refused', endedBy: 'backend', retries: 1 },
      advice: /^the backend is overloaded or restarts/,
    },
  },
  backendDies: {
    backend: t => answering(t, (_, hangUp) => hangUp()),
    says: {
      ...{ grpcStatus: 'UNAVAILABLE', reason: 'upstream-lost', endedBy: 'backend' },
      cause: /closed the connection$|ECONNRESET$/,
      advice: /^did the endpoint crash or restart\?/,
    },
  },
  backendErrs: {
    backend: t =>
      answering(t, stream => {
        const fields = { 'content-type': 'application/grpc', 'grpc-status': '9', 'grpc-message': 'not now' }
        stream.respond(fields, { endStream: true })
      }),
    says: {
      ...{ grpcStatus: 'FAILED_PRECONDITION', grpcMessage: 'not now', endedBy: 'backend' },
      ...{ reason: undefined, cause: undefined, advice: undefined },
    },
  },
}

/** All backends behind one proxy, whose log a test reads; service `a.<name>` goes to the backend of that name. */
async function rig(t: Test, backends: Readonly<Record<string, BackendOptions>>, transport: 'frames' | 'native') {
  const lines: Line[] = []
  const logger = pino({ base: undefined }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const names = Object.keys(backends)
  const proxy = createProxy({
    logger,
    backends: Object.fromEntries(names.map(name => [name, { transport, ...backends[name] }])),
    routes: names.map(name => ({ match: { service: `a.${name}` }, backend: name })),
    limits: { maxHeaderListBytes: 16_384, prefaceTimeoutMs: 250 },
  })
  t.teardown(() => proxy.close())
  const { port } = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const client = http2.connect(`http://127.0.0.1:${port}`)
  t.teardown(() => client.destroy())
  return { lines, proxy, port, client }
}

async function call(
  client: http2.ClientHttp2Session,
  path: string,
  fields: Readonly<Record<string, string>> = {},
  then: (call: http2.ClientHttp2Stream) => void = () => {},
): Promise<void> {
  const stream = client.request({
    ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
    ...fields,
  })
  stream.on('error', () => {})
  stream.resume()
  stream.end()
  then(stream)
  await new Promise(resolve => stream.once('close', resolve))
}

for (const transport of ['frames', 'native'] as const) {
  t.test(`${transport}: why an endpoint cannot be reached`, async t => {
    const names = Object.keys(UNREACHABLE)
    const backends: Record<string, BackendOptions> = {}
    for (const [i, name] of names.entries()) backends[`b${i}`] = await UNREACHABLE[name]!.backend(t)
    const { client, lines } = await rig(t, backends, transport)
    await Promise.all(names.map((_, i) => call(client, `/a.b${i}/Call`)))
    const reached = lines.filter(({ msg }) => msg === 'endpoint connect-failed')
    for (const [i, name] of names.entries()) {
      const of = UNREACHABLE[name]!
      const { problem, cause } = (transport === 'native' ? of.native : undefined) ?? of
      const { time, peer, durationMs, cause: told = '', ...line } = lines.find(({ backend }) => backend === `b${i}`)!
      const [, endpoint, reason = ''] = /^(\S+|nowhere): (.*)$/.exec(String(told))!
      t.match(reason, cause, name)
      const { advice } = connectFailureOf(reason)
      const expected = {
        ...{ level: 30, authority: line.authority, path: `/a.b${i}/Call`, backend: `b${i}`, endpoint: '' },
        ...{ grpcStatus: 'UNAVAILABLE', grpcMessage: 'no endpoint of the backend can be reached' },
        ...{ endedBy: 'proxy', reason: 'unreachable', problem, advice },
        ...{ requestBytes: 0, requestMessages: 0, responseBytes: 0, responseMessages: 0, retries: 0, msg: 'call' },
      }
      t.same(line, expected, name)
      const event = reached.find(line => line.endpoint === endpoint)
      t.match(event, { level: 40, detail: cause, problem, advice }, `${name}, of the endpoint`)
    }
  })
}

t.test('each kind has a real failure in the table above, or one that takes a whole machine to make', async t => {
  const elsewhere = {
    'no-way': 'connect ENETUNREACH 2001:db8::1:443 - Local (:::0)',
    permission: 'connect EACCES /run/backend.sock',
    'no-descriptors': 'connect EMFILE 127.0.0.1:50051 - Local (undefined:undefined)',
    'no-ports': 'connect EADDRNOTAVAIL 127.0.0.1:50051 - Local (127.0.0.1:0)',
    'certificate-revoked': 'certificate revoked',
    other: 'connect() threw',
  }
  for (const [kind, text] of Object.entries(elsewhere)) t.equal(connectFailureOf(text).kind, kind, text)
  const real = Object.values(UNREACHABLE).map(({ problem }) => problem)
  t.same([...new Set([...real, ...Object.keys(elsewhere)])].sort(), CONNECT_FAILURES.map(({ kind }) => kind).sort())
})

t.test('a host name with several addresses: what each of them said', async t => {
  const errors = ['connect ECONNREFUSED ::1:1', 'connect ECONNREFUSED 127.0.0.1:1'].map(text => new Error(text))
  t.equal(reasonOf(new AggregateError(errors)), 'connect ECONNREFUSED ::1:1, connect ECONNREFUSED 127.0.0.1:1')
})

t.test('why a call failed', async t => {
  const backends: Record<string, BackendOptions> = {}
  for (const [name, { backend }] of Object.entries(FAILING)) if (backend) backends[name] = await backend(t)
  const { client, lines } = await rig(t, backends, 'frames')
  await Promise.all(
    Object.entries(FAILING).map(([name, { fields, client: then }]) => call(client, `/a.${name}/Call`, fields, then)),
  )
  const about = (name: string, line: Line) => line.path === (FAILING[name]!.fields?.[':path'] ?? `/a.${name}/Call`)
  for (const [name, { says }] of Object.entries(FAILING)) {
    await until(`the line of ${name}`, () => lines.some(line => about(name, line)))
    const line = lines.find(line => about(name, line))!
    t.match(line, { msg: 'call', ...says }, name)
    t.same(
      Object.entries(says).filter(([key, value]) => value === undefined && key in line),
      [],
      `${name}: nothing more`,
    )
  }
})

t.test('why a client gets no connection', async t => {
  const { proxy, lines } = await rig(t, { main: { endpoints: ['127.0.0.1:1'] } }, 'frames')
  const plain = await proxy.listen({ host: '127.0.0.1', port: 0 })
  const secure = await proxy.listen({ host: '127.0.0.1', port: 0, tls: { ...server, clientCa: ca.cert } })
  const trusting = { host: '127.0.0.1', servername: 'localhost', ca: ca.cert }
  const opened: Socket[] = []
  t.teardown(() => opened.forEach(socket => void socket.destroy()))
  const ways: readonly [refusal: string, detail: RegExp, advice: RegExp, open: () => Socket, bytes?: string][] = [
    [
      'http1',
      /^the client speaks HTTP\/1$/,
      /^the client speaks HTTP\/1/,
      () => net.connect(plain.port),
      'GET / HTTP/1.1\r\n\r\n',
    ],
    [
      'not-http2',
      /^the first bytes are not HTTP\/2$/,
      /^the client speaks TLS to a listener without tls/,
      () => tls.connect({ ...trusting, port: plain.port }),
    ],
    ['silent', /^no HTTP\/2 preface in time$/, /^a client, a probe or a port scan/, () => net.connect(plain.port)],
    [
      'tls',
      /^wrong version number \(TLS\)$/,
      /^the TLS handshake failed/,
      () => net.connect(secure.port),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ],
    [
      'tls',
      /^(?:peer did not return a certificate \(TLS\)|the client sent no certificate)$/,
      /^the TLS handshake failed/,
      () => tls.connect({ ...trusting, port: secure.port, ALPNProtocols: ['h2'] }),
    ],
    [
      'no-alpn',
      /^the client did not negotiate "h2" by ALPN$/,
      /^let the client offer "h2"/,
      () => tls.connect({ ...trusting, port: secure.port, ...made.client }),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    ],
  ]
  for (const [refusal, detail, advice, open, bytes] of ways) {
    const before = lines.length
    const socket = open()
    opened.push(socket.on('error', () => {}))
    if (bytes !== undefined) socket.write(bytes)
    await until(refusal, () => lines.length > before)
    t.match(lines.at(-1), { level: 30, msg: 'connection refused', refusal, detail, advice, peer: /^127\.0\.0\.1:\d+$/ })
  }
})
