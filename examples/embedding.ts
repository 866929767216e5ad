/**
 * gRPC and a web page on one port: an http2 server of your own, with the proxy beside your request listener.
 *
 * What is gRPC, by its content type, goes through the proxy. Everything else goes to `page`.
 *
 *     BACKEND=127.0.0.1:50051 node examples/embedding.ts
 *     curl --http2-prior-knowledge http://127.0.0.1:8080/
 */
import { once } from 'node:events'
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createProxy } from 'grpc-verbatim'

const { BACKEND = '127.0.0.1:50051', PORT = '8080' } = process.env

function page(request: Http2ServerRequest, response: Http2ServerResponse): void {
  response.end(`This is ${request.url}, served by the application.\n`)
}

export const proxy = createProxy(BACKEND)

// The server is made without a listener: it gets `page` through the proxy's handler.
export const server = http2.createServer()
server.on('stream', proxy.handlerFor({ otherwise: page }))
server.listen(Number(PORT), '127.0.0.1')
await once(server, 'listening')
console.log('The server listens on', server.address())
