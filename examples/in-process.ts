/**
 * A backend in the same process: the proxy speaks real HTTP/2 to it, without a port and without a socket.
 *
 * It is useful in tests, and where one program serves some services itself and proxies the rest.
 *
 *     npm install @grpc/grpc-js
 *     node examples/in-process.ts
 */
import { type Duplex, duplexPair } from 'node:stream'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { createProxy } from 'grpc-verbatim'

const { PORT = '8080' } = process.env

/** A service that sends each message back. Bytes stay bytes, so it needs no .proto file. */
const same = (message: Buffer): Buffer => message
const say = {
  path: '/demo.Echo/Say',
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
} as const

const server = new Server()
server.addService(
  { say },
  {
    say: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => callback(null, call.request),
  },
)
export const injector = server.createConnectionInjector(ServerCredentials.createInsecure())

/** Called each time that the proxy wants a connection: two ends of one pipe, and the server gets one of them. */
function connect(): Duplex {
  const [ours, theirs] = duplexPair()
  injector.injectConnection(ours)
  return theirs
}

export const proxy = createProxy({ backends: { echo: { endpoints: [{ name: 'in-process', connect }] } } })
export const { address, port } = await proxy.listen({ host: '127.0.0.1', port: Number(PORT) })
console.log(`The proxy listens on ${address}.`)
