/** This project's proxy, of this tree or of another checkout, as operators start it: `serve --config`. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { Child, freePort } from '../measure/child.ts'
import { type Contender, OPEN_FILES } from './contender.ts'
import type { World } from './world.ts'

export const THIS_TREE = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
/** The Node that the project ships with, also for other trees. */
const SHIPPED_NODE = join(THIS_TREE, 'node_modules/node/bin/node')
export const NODE = existsSync(SHIPPED_NODE) ? SHIPPED_NODE : process.execPath

export type Transport = 'native' | 'frames'

/** How HTTP/2 is carried toward clients, and toward backends. */
export interface Transports {
  readonly downstream: Transport
  readonly upstream: Transport
}

export const PAIRS: Readonly<Record<string, Transports>> = {
  frames: { downstream: 'frames', upstream: 'frames' },
  native: { downstream: 'native', upstream: 'native' },
  'frames-native': { downstream: 'frames', upstream: 'native' },
  'native-frames': { downstream: 'native', upstream: 'frames' },
}

export function verbatim(name: string, transports: Transports, tree = THIS_TREE): Contender {
  return {
    name,
    async start(world) {
      const port = await freePort()
      const config = join(world.folder, `${name}-${port}.yaml`)
      writeFileSync(config, stringify(configuration(world, port, transports)))
      const child = new Child({
        command: NODE,
        args: ['src/cli.ts', 'serve', '--config', config],
        core: 0,
        cwd: tree,
        openFiles: OPEN_FILES,
      })
      return { child: await child.listening(port), port }
    },
  }
}

function configuration({ backends, tls }: World, port: number, transports: Transports): object {
  const scheme = tls === undefined ? 'http' : 'https'
  return {
    listeners: [
      {
        address: `127.0.0.1:${port}`,
        transport: transports.downstream,
        ...(tls === undefined ? {} : { tls: { cert: tls.cert, key: tls.key } }),
      },
    ],
    backends: {
      main: {
        endpoints: backends.map(backend => `${scheme}://127.0.0.1:${backend}`),
        transport: transports.upstream,
        ...(tls === undefined ? {} : { tls: { ca: tls.ca } }),
      },
    },
    // nghttpx writes none either. All else is as it comes.
    log: { level: 'warn', access: false },
  }
}
