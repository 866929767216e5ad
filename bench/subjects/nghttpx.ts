/** nghttpx, the fastest peer, in one thread. */
import { Child, freePort, OPEN_FILES } from '../measure/child.ts'
import type { Contender } from './contender.ts'
import { findProgram, type Program, requireCommand } from './installed.ts'
import type { World } from './world.ts'

export const NGHTTPX: Program = {
  title: 'nghttpx',
  commands: ['nghttpx'],
  versionArgs: ['--version'],
  version: /nghttp2\/([\d.]+)/,
  install: 'apt-get install nghttp2-proxy',
}

export const nghttpx: Contender = {
  name: 'nghttpx',
  title: 'nghttpx, one thread, HTTP/2 on both sides',
  find: () => findProgram(NGHTTPX),
  async start(world) {
    const port = await freePort()
    const args = nghttpxArgs(world, port)
    const child = new Child({ command: requireCommand(NGHTTPX), args, core: 0, openFiles: OPEN_FILES })
    return { child: await child.listening(port), port }
  },
}

export function nghttpxArgs({ backends, tls }: Pick<World, 'backends' | 'tls'>, port: number): string[] {
  return [
    // It must not read a configuration file of the machine.
    '--conf=/dev/null',
    `--frontend=127.0.0.1,${port}${tls === undefined ? ';no-tls' : ''}`,
    // Without a pattern, several are one group and take calls in turn. It verifies its backends, as the
    // others do, but asks for no certificate of an address: hence the name.
    ...backends.map(
      backend => `--backend=127.0.0.1,${backend};;proto=h2${tls === undefined ? '' : ';tls;sni=localhost'}`,
    ),
    // One worker: it has one core.
    '-n1',
    // Its default is 100 streams a client's connection; as for the others. Toward backends it takes what they let it.
    '--frontend-http2-max-concurrent-streams=1000',
    // Its defaults of 64 KiB would hold bulk up. Toward backends, the connection's own is the largest there is.
    '--frontend-http2-window-size=1048576',
    '--frontend-http2-connection-window-size=16777216',
    '--backend-http2-window-size=1048576',
    // Long streams and slow readers: its defaults of 30 s to 3 minutes would end what rests for so long.
    '--frontend-http2-read-timeout=1h',
    '--frontend-write-timeout=1h',
    '--backend-read-timeout=1h',
    '--backend-write-timeout=1h',
    '--stream-write-timeout=0',
    // Headers that it would add to each call or write anew, and the others do not.
    '--no-via',
    '--no-add-x-forwarded-proto',
    '--no-server-rewrite',
    '--no-location-rewrite',
    // The log costs its writes; the other subjects have none either.
    '--accesslog-file=/dev/null',
    ...(tls === undefined ? [] : [`--cacert=${tls.ca}`, tls.key, tls.cert]),
  ]
}
