/**
 * What can be wrong between clients, the proxy and backends, each made for real: the log alone tells one from the other,
 * and says what to do.
 */
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import tls from 'node:tls'
import { pino } from 'pino'
import { generate } from 'selfsigned'
import t, { type Test } from 'tap'
import { createProxy, type ProxyOptions } from '../../src/index.ts'
import { CONNECT_FAILURES, connectFailureOf, reasonOf } from '../../src/transport/connect-failure.ts'
import { certificates, type Identity } from '../support/certs.ts'
import { until } from '../support/until.ts'

type Line = Record<string, unknown>
type BackendOptions = NonNullable<ProxyOptions['backends']>[string]

const made = await certificates()
const { ca, server, stranger, strangerCa } = made
const TRUSTED = { tls: { ca: ca.cert } }
/** For connects that get no answer, however long they wait. */
const IN_VAIN = { connectTimeoutMs: 250 }
/** For those that are connected, and then hear nothing: a machine that is busy needs a while for the first. */
const SILENT = { connectTimeoutMs: 2_000 }

/** @returns the port of what listens; it ends with the test */
async function listening(t: Test, made: net.Server): Promise<number> {
  const sockets = new Set<Socket>()
  made.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => {}).once('close', () => sockets.delete(socket)))
  })
  made.on('sessionError', () => {})
  made.listen(0, '127.0.0.1')
  await once(made, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    made.close()
  })
  return (made.address() as AddressInfo).port
}

/** A server that answers the first bytes with these, and then says nothing or hangs up. */
function saying(bytes: Buffer, andThen: 'hangs' | 'closes'): net.Server {
  return net.createServer(socket => {
    socket.once('data', () => {
      socket.write(bytes)
      if (andThen === 'closes') socket.end()
      else socket.resume()
    })
  })
}

/** A fatal alert of TLS (RFC 8446 §6). */
function alert(code: number): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, code])
}

async function certificateFrom(fromMs: number, toMs: number): Promise<Identity> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    ...{ keyType: 'ec', algorithm: 'sha256', ca: { key: ca.key, cert: ca.cert } },
    ...{ notBeforeDate: new Date(Date.now() + fromMs), notAfterDate: new Date(Date.now() + toMs) },
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  })
  return { cert, key }
}

const HOUR_MS = 3_600_000

interface Unreachable {
  /** Makes it, and says how it is reached. */
  readonly backend: (t: Test) => Promise<BackendOptions>
  readonly problem: string
  /** All of `cause` behind the endpoint's address; of what the system says a version of Node may have another text. */
  readonly cause: RegExp
  /** On `native`, where it differs. */
  readonly native?: { readonly problem: string; readonly cause: RegExp }
}

const secure = (port: number, more: BackendOptions = TRUSTED): BackendOptions => ({
  endpoints: [`https://localhost:${port}`],
  ...more,
})
const plain = (port: number, more: BackendOptions = {}): BackendOptions => ({
  endpoints: [`http://127.0.0.1:${port}`],
  ...more,
})
const tlsServer = (options: tls.TlsOptions) => tls.createServer({ ...server, ALPNProtocols: ['h2'], ...options })
const clientCa = { ca: ca.cert, requestCert: true, rejectUnauthorized: true }
const sessionClosed = { problem: 'closed', cause: /^Session closed without receiving a SETTINGS frame$/ }

const UNREACHABLE: Readonly<Record<string, Unreachable>> = {
  'nothing listens': {
    async backend(t) {
      const held = net.createServer()
      const port = await listening(t, held)
      await new Promise(resolve => held.close(resolve))
      return plain(port)
    },
    problem: 'refused',
    cause: /^connect ECONNREFUSED 127\.0\.0\.1:\d+$/,
  },
  'the name is not known': {
    backend: async () => ({ endpoints: ['http://no-such-host.invalid:50051'] }),
    problem: 'dns',
    cause: /^getaddrinfo (?:ENOTFOUND|EAI_AGAIN) no-such-host\.invalid$/,
  },
  'no answer to the connect': {
    async backend() {
      // As where packets are dropped: the socket goes on connecting.
      const connect = () => net.connect({ host: 'nowhere', port: 1, lookup: () => {} })
      return { endpoints: [{ connect, name: 'nowhere' }], ...IN_VAIN }
    },
    problem: 'timeout',
    cause: /^no connection within 250 ms$/,
  },
  'no such unix socket': {
    backend: async () => ({ endpoints: ['unix:/nowhere/grpc.sock'] }),
    problem: 'no-socket',
    cause: /^connect ENOENT \/nowhere\/grpc\.sock$/,
  },
  'takes connections, and says nothing': {
    backend: async t => plain(await listening(t, net.createServer()), SILENT),
    problem: 'silent',
    cause: /^no HTTP\/2 SETTINGS within 2000 ms$/,
  },
  'the same where TLS is expected': {
    backend: async t => secure(await listening(t, net.createServer()), { ...TRUSTED, ...SILENT }),
    problem: 'tls-timeout',
    cause: /^no TLS handshake within 2000 ms$/,
  },
  'HTTP/1': {
    backend: async t =>
      plain(
        await listening(
          t,
          http.createServer((_, response) => response.end()),
        ),
      ),
    problem: 'http1',
    cause: /^the endpoint answers in HTTP\/1$/,
    native: { problem: 'not-http2', cause: /^Protocol error$/ },
  },
  'another protocol': {
    backend: async t => plain(await listening(t, saying(Buffer.from('220 mail.example.com ESMTP\r\n'), 'hangs'))),
    problem: 'not-http2',
    cause: /^a frame is longer than we allow: type 0x20 of 3289648 bytes \(FRAME_SIZE_ERROR, §4\.2\)$/,
    native: { problem: 'not-http2', cause: /^Protocol error$/ },
  },
  'plaintext to a port with TLS': {
    backend: async t => plain(await listening(t, tlsServer({}))),
    problem: 'closed',
    cause: /^http:\/\/127\.0\.0\.1:\d+ closed the connection$/,
    native: sessionClosed,
  },
  'TLS to a port with plaintext': {
    backend: async t => secure(await listening(t, http2.createServer())),
    problem: 'not-tls',
    cause: /^wrong version number \(TLS\)$/,
  },
  'the certificate has another name': {
    backend: async t =>
      secure(await listening(t, tlsServer({})), { tls: { ca: ca.cert, serverName: 'api.example.com' } }),
    problem: 'certificate-name',
    cause:
      /^Hostname\/IP does not match certificate's altnames: Host: api\.example\.com\. is not in the cert's altnames: DNS:localhost, IP Address:127\.0\.0\.1$/,
  },
  'the certificate is of an authority that is not known': {
    backend: async t => secure(await listening(t, tlsServer({})), { tls: { ca: strangerCa.cert } }),
    problem: 'certificate-untrusted',
    cause: /^unable to verify the first certificate$/,
  },
  'the certificate has expired': {
    backend: async t => secure(await listening(t, tlsServer(await certificateFrom(-2 * HOUR_MS, -HOUR_MS)))),
    problem: 'certificate-expired',
    cause: /^certificate has expired$/,
  },
  'the certificate is not valid yet': {
    backend: async t => secure(await listening(t, tlsServer(await certificateFrom(HOUR_MS, 2 * HOUR_MS)))),
    problem: 'certificate-early',
    cause: /^certificate is not yet valid$/,
  },
  'TLS without ALPN': {
    backend: async t => secure(await listening(t, tls.createServer({ ...server }))),
    problem: 'no-alpn',
    cause: /^the endpoint did not negotiate "h2" by ALPN$/,
  },
  'TLS for HTTP/1 only': {
    backend: async t => secure(await listening(t, tlsServer({ ALPNProtocols: ['http/1.1'] }))),
    problem: 'no-alpn',
    cause: /^tlsv1 alert no application protocol \(TLS\)$/,
  },
  'the endpoint wants a certificate (TLS 1.3)': {
    backend: async t => secure(await listening(t, tlsServer(clientCa))),
    problem: 'certificate-wanted',
    cause: /^tlsv13 alert certificate required \(TLS\)$/,
  },
  'the endpoint wants a certificate (TLS 1.2)': {
    backend: async t => secure(await listening(t, tlsServer({ ...clientCa, maxVersion: 'TLSv1.2' }))),
    problem: 'certificate-wanted',
    cause: /^(?:ssl\/tls|sslv3) alert handshake failure \(TLS\)$/,
  },
  'the endpoint does not know the authority of our certificate': {
    backend: async t => secure(await listening(t, saying(alert(48), 'closes')), { tls: { ca: ca.cert, ...stranger } }),
    problem: 'certificate-refused',
    cause: /^tlsv1 alert unknown ca \(TLS\)$/,
  },
  'the endpoint speaks an old TLS only': {
    backend: async t => secure(await listening(t, saying(alert(70), 'closes'))),
    problem: 'tls-version',
    cause: /^tlsv1 alert protocol version \(TLS\)$/,
  },
  'something else in TLS': {
    backend: async t => secure(await listening(t, saying(alert(80), 'closes'))),
    problem: 'tls',
    cause: /^tlsv1 alert internal error \(TLS\)$/,
  },
}

/** Calls that fail with a backend that can be reached, or at the proxy itself. */
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
