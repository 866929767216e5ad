/** The subjects that take part. Each kind of proxy knows how to find it, and how to start it in a world. */
import type { Child } from '../measure/child.ts'
import type { Found, Missing } from './installed.ts'
import type { World, WorldOptions } from './world.ts'

export interface Contender {
  /** The name for `--subjects`, tables and charts. */
  readonly name: string
  /** One line: what it is. */
  readonly title: string
  /** Whether it can be configured with `WorldOptions.routes`. Only this project's proxy can. */
  readonly routed?: boolean
  /** It is there to be compared with other balancers, and takes part only where it is named. */
  readonly balanced?: boolean
  /** Looks for it on this machine, and leaves nothing running. */
  find(): Found | Missing
  /** Why it cannot take part in such a world (it has no TLS, say); undefined: it can. */
  unfit?(options: WorldOptions): string | undefined
  /** Starts it alone on core 0, and waits until it listens. @throws Error with the reason when it does not */
  start(world: World): Promise<RunningProxy>
}

export interface RunningProxy {
  /** Missing where nothing is between load and backend (`direct`), so that there is no CPU to count. */
  readonly child?: Child
  readonly port: number
}
