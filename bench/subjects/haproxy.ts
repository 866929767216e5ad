/**
 * HAProxy in one thread: with HTTP/2 on both sides, and as a relay of TCP, which is the floor of what is written in C.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Child, freePort, OPEN_FILES } from '../measure/child.ts'
import type { Contender } from './contender.ts'
import { findProgram, type Program, requireCommand } from './installed.ts'
import type { World } from './world.ts'

const PROGRAM: Program = {
  title: 'HAProxy',
  // Debian installs it in a folder that is not on every user's PATH.
  commands: ['haproxy', '/usr/sbin/haproxy'],
  versionArgs: ['-v'],
  version: /version ([\d.]+)/,
  install: 'apt-get install haproxy',
}

export const haproxy: Contender = contender('haproxy', 'HAProxy, one thread, HTTP/2 on both sides', 'http')

export const haproxyTcp: Contender = contender(
  'haproxy-tcp',
  'HAProxy in TCP mode, no HTTP/2 at all: the floor in C (connections, not calls, go to endpoints in turn)',
  'tcp',
)

type HaproxyMode = 'http' | 'tcp'

function contender(name: string, title: string, mode: HaproxyMode): Contender {
  return {
    name,
    title,
    find: () => findProgram(PROGRAM),
    async start(world) {
      const port = await freePort()
      const file = join(world.folder, `${name}-${port}.cfg`)
      const identity = join(world.folder, `${name}-${port}.pem`)
      if (world.tls !== undefined) {
        // It takes certificate and key in one file.
        const both = [world.tls.cert, world.tls.key].map(part => readFileSync(part, 'utf8')).join('\n')
        writeFileSync(identity, both, { mode: 0o600 })
      }
      writeFileSync(file, haproxyConfiguration(world, { port, mode, identity }))
      // -db: in the foreground, one process.
      const args = ['-db', '-f', file]
      const child = new Child({ command: requireCommand(PROGRAM), args, core: 0, openFiles: OPEN_FILES })
      return { child: await child.listening(port), port }
    },
  }
}

export interface HaproxyOptions {
  readonly port: number
  readonly mode: HaproxyMode
  /** A file with certificate and key, where the world has TLS. */
  readonly identity: string
}

export function haproxyConfiguration(
  { backends, tls }: Pick<World, 'backends' | 'tls'>,
  { port, mode, identity }: HaproxyOptions,
): string {
  // In TCP mode TLS ends and begins here too, and ALPN says h2 to both ends.
  const proto = mode === 'http' && tls === undefined ? ' proto h2' : ''
  const bindTls = tls === undefined ? '' : ` ssl crt ${identity} alpn h2`
  const serverTls =
    tls === undefined ? '' : ` ssl verify required ca-file ${tls.ca} sni str(localhost) verifyhost localhost alpn h2`
  const servers = backends.map((backend, i) => `  server s${i} 127.0.0.1:${backend}${proto}${serverTls}`)
  return `global
  # It has one core.
  nbthread 1
  # Ten thousand idle clients and a reserve. It counts two files for each of them, which a machine may not allow and
  # few of them need: so it warns, and starts.
  maxconn 11000
  no strict-limits
  # Its default, 100 streams a connection, would hold calls back that come over ten client connections.
  tune.h2.max-concurrent-streams 1000
  # Its default of 64 KiB would hold bulk up.
  tune.h2.initial-window-size 1048576
  # tune.bufsize stays at its 16 KiB. A DATA frame of 16 KiB has no room in it for its head, and with 256 bytes more bulk
  # cost a third less; but then 2.6 ended calls without their trailers: messages of 16 KiB, or streams of small ones.

defaults
  mode ${mode}
  # No log: it costs its writes; the other subjects have none either.
  no log
  timeout connect 5s
  # Long streams and idle clients.
  timeout client 1h
  timeout server 1h
${
  mode === 'http'
    ? `  timeout http-request 1h
  timeout http-keep-alive 1h
  # Calls of different clients share connections to backends, from their first on.
  http-reuse always
`
    : ''
}
frontend clients
  bind 127.0.0.1:${port}${proto}${bindTls}
  default_backend servers

backend servers
  # Calls in turn.
  balance roundrobin
${servers.join('\n')}
`
}
