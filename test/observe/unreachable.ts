/** Endpoints that cannot be reached, each made for real, with what the log calls it. */
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import tls from 'node:tls'
import { generate } from 'selfsigned'
import type { Test } from 'tap'
import type { ProxyOptions } from '../../src/index.ts'
import { certificates, type Identity } from '../support/certs.ts'

export type BackendOptions = NonNullable<ProxyOptions['backends']>[string]

export const made = await certificates()
export const { ca, server, stranger, strangerCa } = made
const TRUSTED = { tls: { ca: ca.cert } }
/** For connects that get no answer, however long they wait. */
const IN_VAIN = { connectTimeoutMs: 250 }
/** For those that are connected, and then hear nothing: a machine that is busy needs a while for the first. */
const SILENT = { connectTimeoutMs: 2_000 }

/** @returns the port of what listens; it ends with the test */
export async function listening(t: Test, made: net.Server): Promise<number> {
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
export const plain = (port: number, more: BackendOptions = {}): BackendOptions => ({
  endpoints: [`http://127.0.0.1:${port}`],
  ...more,
})
const tlsServer = (options: tls.TlsOptions) => tls.createServer({ ...server, ALPNProtocols: ['h2'], ...options })
const clientCa = { ca: ca.cert, requestCert: true, rejectUnauthorized: true }
const sessionClosed = { problem: 'closed', cause: /^Session closed without receiving a SETTINGS frame$/ }

export const UNREACHABLE: Readonly<Record<string, Unreachable>> = {
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
