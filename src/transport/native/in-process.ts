/**
 * A JavaScript Duplex as an endpoint for `node:http2`. Before Node 26.9 an http2 session on such a
 * stream can wait for its peer forever or abort the process (nodejs/node#65440; the assertion
 * `stream_buf_.base != nullptr` in ConsumeHTTP2Data), so there the session gets a real socket, and
 * bytes are carried between that and the Duplex.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { nodeCrypto } from '../node-tls.ts'

const [MAJOR = 0, MINOR = 0] = process.versions.node.split('.').map(Number)
const SAFE_ON_DUPLEX = MAJOR > 26 || (MAJOR === 26 && MINOR >= 9)

/** @returns the stream itself where Node can be trusted with it; else a socket that is joined with it */
export function inProcessStream(stream: Duplex): Duplex {
  return SAFE_ON_DUPLEX || stream instanceof net.Socket ? stream : bridged(stream)
}

/** It uses a unix socket in a folder that only this user can enter, open for one connection. */
function bridged(stream: Duplex): net.Socket {
  const folder = process.platform === 'win32' ? undefined : mkdtempSync(join(tmpdir(), 'grpc-verbatim-'))
  const path = folder === undefined ? `\\\\.\\pipe\\grpc-verbatim-${nodeCrypto().randomUUID()}` : join(folder, 'socket')
  const near = new net.Socket()
  const done = () => {
    server.close()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
  const server = net.createServer(far => {
    done()
    joinEnds(far, stream)
  })
  server.once('error', error => {
    done()
    near.destroy(error)
  })
  // It may fail before it is joined.
  stream.on('error', error => near.destroy(error))
  stream.on('close', () => near.destroy())
  near.once('close', () => stream.destroy())
  server.listen(path, () => near.connect(path))
  return near
}

function joinEnds(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to)
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
}
