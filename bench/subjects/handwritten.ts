/**
 * The smallest correct pass-through that one can write on node:http2 by hand: what the native
 * transport is measured against. One backend, one session; headers and trailers as raw arrays,
 * data with back-pressure, Trailers-Only, resets both ways. No routing, deadline, retry, log or drain.
 */
import http2, { type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2'
import { reportToParent } from './report.ts'

const backend = http2.connect(process.argv[2]!, {
  peerMaxConcurrentStreams: 2 ** 31 - 1,
  // Its default of 10 MB ends the session under bulk load.
  maxSessionMemory: 1000,
  settings: { initialWindowSize: 262_144, enablePush: false },
})
backend.on('error', error => {
  throw error
})

const server = http2.createServer({
  maxSessionMemory: 1000,
  settings: { initialWindowSize: 262_144 },
})
server.on('session', session => session.setLocalWindowSize(1_048_576))
server.on('sessionError', () => {})
server.on('stream', (stream, _headers, flags, raw) => {
  const down = stream as ServerHttp2Stream
  const endStream = (flags & 1) !== 0
  const up = backend.request(raw as never, {
    endStream,
    waitForTrailers: !endStream,
  })
  join(down, up, endStream)
})

function join(down: ServerHttp2Stream, up: ClientHttp2Stream, requestEnded: boolean): void {
  let trailers: object | undefined
  let trailersOnly = false
  up.on('response', (_headers, responseFlags, rawResponse) => {
    if (down.destroyed) return
    trailersOnly = (responseFlags & 1) !== 0
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

server.listen(0, '127.0.0.1', () => reportToParent((server.address() as { port: number }).port))
