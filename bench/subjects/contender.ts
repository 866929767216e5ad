/** Who takes part: each kind of proxy knows how it is started in a world. */
import type { Child } from '../measure/child.ts'
import type { World } from './world.ts'

export interface Contender {
  readonly name: string
  /** Starts it alone on core 0, and waits until it listens. @throws Error with the reason when it does not */
  start(world: World): Promise<RunningProxy>
}

export interface RunningProxy {
  readonly child: Child
  readonly port: number
}

/** Ten thousand clients and a reserve. */
export const OPEN_FILES = 12_000
