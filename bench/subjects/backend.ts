/** The backend of the measurements: reads the request, answers with as many bytes as `x-response-bytes` says. */
import http2, { type ServerHttp2Stream } from 'node:http2'
import { reportToParent } from './report.ts'

const RESPOND = { waitForTrailers: true, sendDate: false }

const server = http2.createServer({
  maxSessionMemory: 1000,
  settings: { initialWindowSize: 1_048_576, maxConcurrentStreams: 1000 },
})
server.on('session', session => session.setLocalWindowSize(16_777_216))
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
server.listen(0, '127.0.0.1', () => reportToParent((server.address() as { port: number }).port))
