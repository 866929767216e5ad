/**
 * The smallest correct pass-through that one can write on node:http2 by hand: the native transport is measured
 * against it. One session a backend, calls in turn; headers and trailers as raw arrays, data with back-pressure,
 * Trailers-Only, resets both ways. No routing, deadline, retry, log or drain.
 */
import { readFileSync } from 'node:fs'
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2'
import { readAssignment } from './assignment.ts'

/** The window of a stream. Node's default of 64 KiB slows bulk. */
const STREAM_WINDOW = 262_144
/** The window of a connection, for all of its uploads or downloads together. */
const CONNECTION_WINDOW = 1_048_576
/** Node's default of 10 MB ends the session under bulk load. */
const SESSION_MEMORY_MB = 1000

const { port, backends, tls } = readAssignment()
const sessions = backends.map(connect)
let turn = 0
const options = { maxSessionMemory: SESSION_MEMORY_MB, settings: { initialWindowSize: STREAM_WINDOW } }
const server =
  tls === undefined
    ? http2.createServer(options)
    : http2.createSecureServer({ ...options, cert: readFileSync(tls.cert), key: readFileSync(tls.key) })
server.on('session', session => session.setLocalWindowSize(CONNECTION_WINDOW))
server.on('sessionError', () => {})
server.on('stream', (stream, _headers, flags, raw) => {
  const endStream = (flags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0
  const session = sessions[turn++ % sessions.length]!
  const up = session.request(raw as never, { endStream, waitForTrailers: !endStream })
  join(stream as ServerHttp2Stream, up, endStream)
})
server.listen({ port, host: '127.0.0.1', backlog: 1024 })

function connect(backend: number): ClientHttp2Session {
  const session = http2.connect(`${tls === undefined ? 'http' : 'https'}://127.0.0.1:${backend}`, {
    // The limit until the backend's settings come, so that calls need not wait for them.
    peerMaxConcurrentStreams: 2 ** 31 - 1,
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
    ...(tls === undefined ? {} : { ca: readFileSync(tls.ca), servername: 'localhost' }),
  })
  // Node's default of 64 KiB would slow all responses that share the session.
  session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW))
  session.on('error', error => {
    throw error
  })
  return session
}

function join(down: ServerHttp2Stream, up: ClientHttp2Stream, requestEnded: boolean): void {
  let trailers: object | undefined
  let trailersOnly = false
  up.on('response', (_headers, responseFlags, rawResponse) => {
    if (down.destroyed) return
    trailersOnly = (responseFlags & http2.constants.NGHTTP2_FLAG_END_STREAM) !== 0
    const options = trailersOnly ? { endStream: true, sendDate: false } : { waitForTrailers: true, sendDate: false }
    down.respond(rawResponse as never, options as never)
  })
  up.on('trailers', headers => {
    trailers = headers
  })
  if (!requestEnded) {
    pump(down, up)
    down.on('end', () => {
      if (!down.aborted) up.end()
    })
    up.on('wantTrailers', () => up.sendTrailers({}))
  }
  pump(up, down)
  up.on('end', () => {
    if (trailersOnly) return
    if (trailers !== undefined) down.end()
  })
  down.on('wantTrailers', () => down.sendTrailers(trailers as never))
  down.on('error', ignore)
  up.on('error', ignore)
  down.on('close', () => {
    if (!up.closed) up.close(http2.constants.NGHTTP2_CANCEL)
  })
  up.on('close', () => {
    if (trailers === undefined && !trailersOnly && !down.closed)
      down.close(up.rstCode || http2.constants.NGHTTP2_INTERNAL_ERROR)
  })
}

function pump(from: ServerHttp2Stream | ClientHttp2Stream, to: ServerHttp2Stream | ClientHttp2Stream): void {
  from.on('data', (chunk: Buffer) => {
    if (!to.write(chunk)) from.pause()
  })
  to.on('drain', () => from.resume())
}

function ignore(): void {}
