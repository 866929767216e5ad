/**
 * The suite's own backend as a process, on the wire layer: `backend.ts '{"cert":…}'` (BackendOptions) prints
 * `{"port":N}` once it listens. It serves every shape (see call-plan.ts), and otherwise only as much of HTTP/2 as that
 * needs.
 */
import { readFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import type { ConnectionLimits } from '../../src/wire/index.ts'
import { BackendConnection } from './backend-connection.ts'
import type { BackendOptions } from './backend-process.ts'
import { TIRELESS } from './tireless.ts'

/** No proxy waits for the windows of the backend. They do not grow, so no PING is sent for that. */
const STREAM_WINDOW = 4_194_304
const CONNECTION_WINDOW = 67_108_864
const DEFAULT_STREAMS = 1_000
/** Connections that wait to be accepted: as many as the kernel allows. */
const BACKLOG = 4_096

const options = JSON.parse(process.argv[2] ?? '{}') as BackendOptions
const limits: ConnectionLimits = {
  ...TIRELESS,
  maxConcurrentStreams: options.maxConcurrentStreams ?? DEFAULT_STREAMS,
  initialStreamWindow: STREAM_WINDOW,
  maxStreamWindow: STREAM_WINDOW,
  initialConnectionWindow: CONNECTION_WINDOW,
  maxConnectionWindow: CONNECTION_WINDOW,
}
const server = listen(options)
server.on('error', error => {
  console.error(`the backend cannot listen: ${error.message}`)
  process.exit(1)
})
server.listen({ host: '127.0.0.1', port: options.port ?? 0, backlog: BACKLOG }, () => {
  console.log(JSON.stringify({ port: (server.address() as net.AddressInfo).port }))
})

function listen({ cert, key }: BackendOptions): net.Server {
  const accept = (socket: net.Socket): void => void new BackendConnection(socket, limits)
  if (cert === undefined && key === undefined) return net.createServer({ noDelay: true }, accept)
  if (cert === undefined || key === undefined) throw new TypeError('TLS needs both: "cert" and "key" (paths)')
  const secure = tls.createServer(
    { cert: readFileSync(cert), key: readFileSync(key), ALPNProtocols: ['h2'], noDelay: true },
    accept,
  )
  // A client that gives up the handshake does not affect others.
  secure.on('tlsClientError', () => {})
  return secure
}
