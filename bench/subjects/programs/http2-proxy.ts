/**
 * A proxy on `http2-proxy`, as its README has it: `web()` with a request of `http2-wrapper` toward the backend.
 * http2-wrapper's own agent speaks TLS only, so the session is given (`h2session`), in the clear as with TLS.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { OutgoingHttpHeaders } from 'node:http'
import http2, { type ClientHttp2Session, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { Readable } from 'node:stream'
import proxy from 'http2-proxy'
import http2wrapper from 'http2-wrapper'
import { readAssignment } from './assignment.ts'

const { port, backends, tls } = readAssignment()

/** The window of a stream. Node's default of 64 KiB slows bulk. */
const STREAM_WINDOW = 1_048_576
/** Of a connection: all of its streams together. */
const CONNECTION_WINDOW = 16_777_216
/** Node's default of 10 MB ends the session under bulk load. */
const SESSION_MEMORY_MB = 1000

/** One session for each backend, made when it is needed and again when it is gone, as a user of http2-wrapper does. */
const sessions = new Map<number, ClientHttp2Session>()
let turn = 0

/**
 * http2-proxy would wait for a `connect` that http2-wrapper never emits, so it only gets sessions that are connected.
 */
async function nextSession(): Promise<ClientHttp2Session> {
  const backend = backends[turn++ % backends.length]!
  let session = sessions.get(backend)
  if (session === undefined || session.closed || session.destroyed) {
    session = http2.connect(`${tls === undefined ? 'http' : 'https'}://127.0.0.1:${backend}`, {
      maxSessionMemory: SESSION_MEMORY_MB,
      settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
      ...(tls === undefined ? {} : { ca: readFileSync(tls.ca), servername: 'localhost' }),
    })
    session.on('error', () => {})
    session.once('connect', connected => connected.setLocalWindowSize(CONNECTION_WINDOW))
    sessions.set(backend, session)
  }
  if (session.connecting) await once(session, 'connect')
  return session
}

interface BackendResponse extends Readable {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly trailers: OutgoingHttpHeaders
}

async function onRes(_req: Http2ServerRequest, res: Http2ServerResponse, proxyRes: BackendResponse): Promise<void> {
  res.statusCode = proxyRes.statusCode
  for (const [name, value] of Object.entries(proxyRes.headers)) {
    // http2-wrapper leaves `:status` among them, which http2-proxy by itself would try to set.
    if (!name.startsWith(':')) res.setHeader(name, value)
  }
  proxyRes.on('end', () => res.addTrailers(proxyRes.trailers)).pipe(res)
}

async function onReq(_req: Http2ServerRequest, options: object): Promise<unknown> {
  const request = http2wrapper.request({ ...options, h2session: await nextSession() } as never)
  // http2-proxy waits for a socket before it writes, http2-wrapper for a write before it has one.
  void request.flushHeaders()
  return request
}

/** Its types require a host and a port, which the session has, and only know Node's own requests. */
const options = { onReq, onRes } as never

function answer(req: Http2ServerRequest, res: Http2ServerResponse): void {
  proxy.web(req, res, options, error => {
    // 502 and 503 are for HTTP. A gRPC client expects the end of the stream.
    if (error != null) res.stream?.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
  })
}

const serverOptions = { maxSessionMemory: SESSION_MEMORY_MB, settings: { initialWindowSize: STREAM_WINDOW } }
const server =
  tls === undefined
    ? http2.createServer(serverOptions, answer)
    : http2.createSecureServer({ ...serverOptions, cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, answer)
server.on('session', session => session.setLocalWindowSize(CONNECTION_WINDOW))
server.on('sessionError', () => {})
server.listen({ port, host: '127.0.0.1', backlog: 1024 })
