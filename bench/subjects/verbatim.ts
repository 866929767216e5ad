/** This project's proxy, of this tree or of another checkout, as operators start it: `serve --config`. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Child, freePort, OPEN_FILES } from '../measure/child.ts'
import type { Contender } from './contender.ts'
import { NODE, nodeVersion, packageVersion, THIS_TREE } from './node.ts'
import type { World } from './world.ts'

export { NODE, THIS_TREE }

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

/**
 * @param more what its backend has beside endpoints and transport
 * @param optionsIn of the proxy, beside or instead of the usual ones
 */
export function verbatim(
  name: string,
  transports: Transports,
  tree = THIS_TREE,
  more: object = {},
  optionsIn: (world: World) => object = () => ({}),
): Contender {
  const { downstream, upstream } = transports
  const carried =
    downstream === upstream ? `${downstream} on both sides` : `${downstream} to clients, ${upstream} to backends`
  return {
    name,
    routed: true,
    title: `grpc-verbatim, ${carried}${tree === THIS_TREE ? '' : `, of ${tree}`}`,
    find() {
      if (!existsSync(join(tree, 'src/cli.ts'))) {
        return { missing: `no src/cli.ts in ${tree}`, install: 'a checkout of this project is wanted' }
      }
      // Another checkout needs them. Without them it would start, and fail.
      if (!existsSync(join(tree, 'node_modules'))) {
        return { missing: `no node_modules in ${tree}`, install: `npm ci in ${tree}` }
      }
      return { version: `grpc-verbatim ${packageVersion(tree)}, ${nodeVersion()}` }
    },
    async start(world) {
      const port = await freePort()
      const config = join(world.folder, `${name}-${port}.yaml`)
      writeFileSync(config, stringify({ ...verbatimConfiguration(world, port, transports, more), ...optionsIn(world) }))
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

export function verbatimConfiguration(
  { backends, tls, routes }: Pick<World, 'backends' | 'tls' | 'routes'>,
  port: number,
  transports: Transports,
  more: object = {},
): object {
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
        ...more,
      },
    },
    ...(routes === undefined ? {} : { routes: routesTo('main', routes) }),
    // The others write none either. Everything else has its default.
    log: { level: 'warn', access: false },
  }
}

/** This many routes; the calls of the suite take the last. */
function routesTo(backend: string, count: number): object[] {
  const others = Array.from({ length: count - 1 }, (_, i) => `verbatim.bench.Other${i}`)
  return [...others, ['verbatim.bench.Echo', 'verbatim.bench.Shapes']].map(service => ({ match: { service }, backend }))
}
