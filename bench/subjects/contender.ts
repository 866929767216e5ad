/** Who takes part: each kind of proxy knows how it is found, and how it is started in a world. */
import type { Child } from '../measure/child.ts'
import type { Found, Missing } from './installed.ts'
import type { World, WorldOptions } from './world.ts'

export interface Contender {
  /** For `--subjects`, tables and charts. */
  readonly name: string
  /** One line: what it is. */
  readonly title: string
  /** It can be configured with `WorldOptions.routes`: this project's proxy alone. */
  readonly routed?: boolean
  /** Looks for it on this machine. It starts nothing that lasts. */
  find(): Found | Missing
  /** Why it cannot take part in such a world (it has no TLS, say); undefined: it can. */
  unfit?(options: WorldOptions): string | undefined
  /** Starts it alone on core 0, and waits until it listens. @throws Error with the reason when it does not */
  start(world: World): Promise<RunningProxy>
}

export interface RunningProxy {
  /** Not there where nothing is between load and backend (`direct`): then there is no CPU to count. */
  readonly child?: Child
  readonly port: number
}
