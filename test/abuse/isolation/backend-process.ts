/**
 * The backend in a process of its own, on Node's HTTP/2 (nghttp2), which counts what clients do wrong as other servers
 * do. `backend-process.ts 'behind others'` has little priority. What a call is treated to is the last part of its path:
 *
 * | path       | treatment                                   |
 * |------------|---------------------------------------------|
 * | `Echo`     | each byte comes back as it comes            |
 * | `Answer`   | five bytes, once the request has ended      |
 * | `Begin`    | response headers at once, and never an end  |
 * | `Silent`   | nothing, ever; the request is read          |
 * | `Pour`     | bytes without end                           |
 * | `Trailers` | trailers of 300 KB                          |
 */
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import os from 'node:os'

export interface Greeting {
  readonly port: number
}

/** As many as grpc-go and nghttp2 allow by themselves. */
const MAX_CONCURRENT_STREAMS = 100
const RESPONSE = { ':status': 200, 'content-type': 'application/grpc' }
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false }
const CHUNK = Buffer.alloc(16_384, 0x62)
const EMPTY_MESSAGE = Buffer.alloc(5)
const LARGE = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`x-large-${at}`, 'a'.repeat(1_000)]))

function pour(stream: ServerHttp2Stream): void {
  while (!stream.destroyed && stream.write(CHUNK));
}

const TREATMENTS: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
  Echo(stream) {
    stream.respond(RESPONSE, WITH_TRAILERS)
    stream.pipe(stream)
  },
  Answer(stream) {
    stream.resume()
    stream.on('end', () => {
      if (stream.destroyed) return
      stream.respond(RESPONSE, WITH_TRAILERS)
      stream.end(EMPTY_MESSAGE)
    })
  },
  Begin(stream) {
    stream.resume()
    stream.respond(RESPONSE, WITH_TRAILERS)
  },
  Silent(stream) {
    stream.resume()
  },
  Pour(stream) {
    stream.resume()
    stream.respond(RESPONSE, WITH_TRAILERS)
    stream.on('drain', () => pour(stream))
    pour(stream)
  },
  Trailers(stream) {
    stream.resume()
    stream.respond(RESPONSE, WITH_TRAILERS)
    stream.end(EMPTY_MESSAGE)
  },
}

// The attacker's own: where cores are few, it comes last like the attacker.
if (process.argv[2] === 'behind others') os.setPriority(os.constants.priority.PRIORITY_LOW)

const server = http2.createServer({
  settings: { maxConcurrentStreams: MAX_CONCURRENT_STREAMS },
  // Its own memory is not what is measured.
  maxSessionMemory: 1_000,
  maxSendHeaderBlockLength: 1_048_576,
})
server.on('stream', (anyStream, headers) => {
  const stream = anyStream as ServerHttp2Stream
  const name = String(headers[':path']).split('/').at(-1)!
  stream.on('error', () => {})
  stream.on('wantTrailers', () => {
    if (name === 'Trailers') stream.sendTrailers({ 'grpc-status': '0', ...LARGE })
    else stream.sendTrailers({ 'grpc-status': '0' })
  })
  const treat = TREATMENTS[name]
  if (treat === undefined) stream.respond({ ...RESPONSE, 'grpc-status': '12' }, { endStream: true })
  else treat(stream)
})
server.on('sessionError', () => {})
server.listen(0, '127.0.0.1', () => {
  process.send!({ port: (server.address() as AddressInfo).port } satisfies Greeting)
})
process.on('disconnect', () => process.exit(0))
