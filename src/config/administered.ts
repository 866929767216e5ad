/** What of a proxy the admin address works on. */
import type { Logger } from 'pino'
import type { ProfileKind } from '../admin/profile.ts'
import type { Reading, TextFormat } from '../observe/registry.ts'
import type { ProxySetup } from '../proxy/setup.ts'
import type { ProxyState, StateOptions } from '../proxy/state.ts'

/** A proxy that has workers asks them. */
type Awaitable<T> = T | Promise<T>

export interface Administered {
  readonly setup: ProxySetup
  readonly log: Logger
  logLevel: string
  /** Why it should get no new connections; none: it is ready. */
  readonly notReady: Awaitable<readonly string[]>
  state(options: StateOptions): Awaitable<ProxyState>
  metrics(format: TextFormat): Awaitable<string>
  /** The same as data. */
  readMetrics(): Awaitable<readonly Reading[]>
  /** Where it has workers: that of one. Undefined for one that is not there. */
  stateOfWorker?(worker: number, options: StateOptions): Promise<ProxyState> | undefined
  /** Where it has workers: undefined for one that is not there; its answer is undefined while it takes another profile. */
  profileOfWorker?(worker: number, kind: ProfileKind, seconds: number): Promise<string | undefined> | undefined
  /** Begins the end of the proxy, as it was told to end itself. */
  readonly askDrain: () => void
  /** Reads the configuration again. Undefined: there is no file. */
  readonly reload: (() => Promise<{ readonly kind: string }>) | undefined
}
