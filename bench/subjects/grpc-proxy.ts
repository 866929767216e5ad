/** `github.com/mwitkow/grpc-proxy` in the ten-line main of grpc-proxy/, on one core of Go. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child, freePort, OPEN_FILES } from '../measure/child.ts'
import type { Contender } from './contender.ts'
import { CACHE, findProgram, type Program, requireCommand } from './installed.ts'

/** Its main package. */
export const GRPC_PROXY_SOURCE = fileURLToPath(new URL('grpc-proxy', import.meta.url))
/** The program that `npm run bench:peers` builds from it. */
export const GRPC_PROXY_BINARY = join(CACHE, 'grpc-proxy')

const PROGRAM: Program = {
  title: 'grpc-proxy on grpc-go',
  commands: [GRPC_PROXY_BINARY],
  versionArgs: ['-version'],
  version: /grpc-go ([\d.]+)/,
  install: 'npm run bench:peers (go build in bench/subjects/grpc-proxy)',
}

export const grpcProxy: Contender = {
  name: 'grpc-proxy',
  title: 'mwitkow/grpc-proxy on grpc-go, GOMAXPROCS=1',
  find() {
    const found = findProgram(PROGRAM)
    return 'missing' in found ? { ...found, missing: 'not built yet' } : found
  },
  async start({ backends, tls }) {
    const port = await freePort()
    const addresses = backends.map(backend => `127.0.0.1:${backend}`).join(',')
    const args = [`127.0.0.1:${port}`, addresses, ...(tls === undefined ? [] : [tls.cert, tls.key, tls.ca])]
    const child = new Child({
      command: 'env',
      // It has one core, so more of Go's own threads would only take turns on it.
      args: ['GOMAXPROCS=1', requireCommand(PROGRAM), ...args],
      core: 0,
      openFiles: OPEN_FILES,
    })
    return { child: await child.listening(port), port }
  },
}
