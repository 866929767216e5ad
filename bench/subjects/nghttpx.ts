/** nghttpx, the fastest peer, in one thread. */
import { Child, freePort } from '../measure/child.ts'
import { type Contender, OPEN_FILES } from './contender.ts'
import type { World } from './world.ts'

export const nghttpx: Contender = {
  name: 'nghttpx',
  async start(world) {
    const port = await freePort()
    const child = new Child({ command: 'nghttpx', args: args(world, port), core: 0, openFiles: OPEN_FILES })
    return { child: await child.listening(port), port }
  },
}

function args({ backends, tls }: World, port: number): string[] {
  return [
    // No file of the machine's.
    '--conf=/dev/null',
    `--frontend=127.0.0.1,${port}${tls === undefined ? ';no-tls' : ''}`,
    // Without a pattern, several are one group and take calls in turn. It verifies its backends, as the
    // others do, but asks for no certificate of an address: hence the name.
    ...backends.map(
      backend => `--backend=127.0.0.1,${backend};;proto=h2${tls === undefined ? '' : ';tls;sni=localhost'}`,
    ),
    // One worker: it has one core.
    '-n1',
    // Its default, 100, would hold calls back that come over ten client connections.
    '--backend-http2-max-concurrent-streams=1000',
    // The log costs its writes; the other subjects have none either.
    '--accesslog-file=/dev/null',
    ...(tls === undefined ? [] : [`--cacert=${tls.ca}`, tls.key, tls.cert]),
  ]
}
