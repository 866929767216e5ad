/**
 * gRPC beside an Express application on one port.
 *
 *     npm install express
 *     BACKEND=127.0.0.1:50051 node examples/embedding-express.ts
 */
import { once } from 'node:events'
import http2 from 'node:http2'
import express from 'express'
import { createProxy } from 'grpc-verbatim'

const { BACKEND = '127.0.0.1:50051', PORT = '8080' } = process.env

// Express builds on HTTP/1's request and response. On http2 it needs those of http2 instead; after this, the process can
// serve Express on http2 only.
Object.setPrototypeOf(express.request, http2.Http2ServerRequest.prototype)
Object.setPrototypeOf(express.response, http2.Http2ServerResponse.prototype)

const app = express()
app.use((request, response) => {
  response.send(`This is ${request.path}, served by Express.\n`)
})

export const proxy = createProxy(BACKEND)

export const server = http2.createServer()
server.on('stream', proxy.handlerFor({ otherwise: app }))
server.listen(Number(PORT), '127.0.0.1')
await once(server, 'listening')
console.log('The server listens on', server.address())
