/** The events of the admin address: each is an overview of the proxy, as JSON. */
import { readFileSync } from 'node:fs'
import type { EventSource } from '../admin/event-stream.ts'
import type { Overview, OverviewMaker } from '../proxy/overview.ts'
import type { Clock } from '../transport/clock.ts'
import type { Administered } from './administered.ts'

/** One event. */
export interface OverviewEvent extends Overview {
  readonly version: string
  readonly uptimeMs: number
  /** Why it should get no new connections; none: it is ready. */
  readonly notReady: readonly string[]
  readonly logLevel: string
  /** What the configuration says, and what comes again after a while. */
  readonly usualLogLevel: string
  /** Calls are counted. */
  readonly hasMetrics: boolean
  /** There is a file that can be read again. */
  readonly canReload: boolean
}

export class OverviewEvents implements EventSource {
  readonly #proxy: Administered
  readonly #clock: Clock
  readonly #onFault: (error: unknown, path: string) => void
  #maker: OverviewMaker | undefined

  constructor(proxy: Administered, clock: Clock, onFault: (error: unknown, path: string) => void) {
    this.#proxy = proxy
    this.#clock = clock
    this.#onFault = onFault
  }

  async next(): Promise<string> {
    const proxy = this.#proxy
    // Most proxies are looked at by programs only.
    const { OVERVIEW_STATE, OverviewMaker } = await import('../proxy/overview.ts')
    this.#maker ??= new OverviewMaker()
    const [state, readings, notReady] = await Promise.all([
      proxy.state(OVERVIEW_STATE),
      proxy.setup.metrics === undefined ? [] : proxy.readMetrics(),
      proxy.notReady,
    ])
    const event: OverviewEvent = {
      ...this.#maker.next(state, readings, this.#clock.now(), Date.now()),
      version: ownVersion(),
      uptimeMs: Math.round(process.uptime() * 1_000),
      notReady,
      logLevel: proxy.logLevel,
      usualLogLevel: proxy.setup.log.level,
      hasMetrics: proxy.setup.metrics !== undefined,
      canReload: proxy.reload !== undefined,
    }
    return JSON.stringify(event, rounded)
  }

  idle(): void {
    this.#maker?.forget()
  }

  onFault(error: unknown): void {
    this.#onFault(error, '/events')
  }
}

/** No reader sees more than three digits behind the point. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Math.round(value * 1_000) / 1_000 : value
}

let version: string | undefined

function ownVersion(): string {
  version ??= JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version as string
  return version
}
