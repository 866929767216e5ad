/**
 * gRPC beside a Koa application on one port.
 *
 *     npm install koa
 *     BACKEND=127.0.0.1:50051 node examples/embedding-koa.ts
 */
import { once } from 'node:events'
import http2 from 'node:http2'
import { createProxy } from 'grpc-verbatim'
import Koa from 'koa'

const { BACKEND = '127.0.0.1:50051', PORT = '8080' } = process.env

const app = new Koa()
app.use(context => {
  context.body = `This is ${context.path}, served by Koa.\n`
})

export const proxy = createProxy(BACKEND)

export const server = http2.createServer()
server.on('stream', proxy.handlerFor({ otherwise: app.callback() }))
server.listen(Number(PORT), '127.0.0.1')
await once(server, 'listening')
console.log('The server listens on', server.address())
