/** A server that reads each request and answers with as many bytes as its `x-response-bytes` says, 39 by default. */
import http2, { type Http2Server, type ServerHttp2Stream, type ServerOptions } from 'node:http2'

const RESPOND = { waitForTrailers: true, sendDate: false }

export function answeringServer(options: ServerOptions = {}): Http2Server {
  const server = http2.createServer(options)
  server.on('stream', (anyStream, headers) => {
    const stream = anyStream as ServerHttp2Stream
    const body = Buffer.alloc(Number(headers['x-response-bytes'] ?? 39), 1)
    stream.on('error', () => {})
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, RESPOND)
      stream.end(body)
    })
    stream.resume()
  })
  return server
}
