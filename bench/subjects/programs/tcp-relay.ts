/** A plain TCP relay: bytes one way and the other, each connection to the next endpoint in turn. TLS ends and begins here. */
import { readFileSync } from 'node:fs'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { readAssignment } from './assignment.ts'

const { port, backends, tls: files } = readAssignment()
const ca = files === undefined ? undefined : readFileSync(files.ca)
let turn = 0

function relay(down: Socket): void {
  const backend = backends[turn++ % backends.length]!
  const up =
    ca === undefined
      ? net.connect({ port: backend, host: '127.0.0.1', noDelay: true })
      : tls.connect({ port: backend, host: '127.0.0.1', servername: 'localhost', ca, ALPNProtocols: ['h2'] })
  // Small calls must not wait for Nagle's algorithm.
  up.setNoDelay(true)
  down.setNoDelay(true)
  down.pipe(up)
  up.pipe(down)
  down.on('error', () => up.destroy())
  up.on('error', () => down.destroy())
  down.on('close', () => up.destroy())
  up.on('close', () => down.destroy())
}

const server =
  files === undefined
    ? net.createServer(relay)
    : tls.createServer({ cert: readFileSync(files.cert), key: readFileSync(files.key), ALPNProtocols: ['h2'] }, relay)
server.listen({ port, host: '127.0.0.1', backlog: 1024 })
