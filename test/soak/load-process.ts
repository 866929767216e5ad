/** A client and a backend in a process of their own, so that the memory under test is the proxy's alone. */
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { closedLoop, type LoadOptions } from '../../bench/load/closed-loop.ts'

const RESPOND = { waitForTrailers: true, sendDate: false }

const backend = http2.createServer()
backend.on('stream', (anyStream, headers) => {
  const stream = anyStream as ServerHttp2Stream
  const body = Buffer.alloc(Number(headers['x-response-bytes']), 1)
  stream.on('error', () => {})
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, RESPOND)
    stream.end(body)
  })
  stream.resume()
})
backend.listen(0, '127.0.0.1', () => process.send!({ port: (backend.address() as AddressInfo).port }))

process.on('message', async ({ port, load }: { port: number; load: LoadOptions }) => {
  await closedLoop(port, load)
  process.send!({ done: true })
})
process.on('disconnect', () => process.exit(0))
