/** How often the sessions of one endpoint ask it for a sign of life: as configured, and less often once that was too much. */
import type { KeepaliveOptions } from '../transport/keepalive.ts'
import { ErrorCode } from '../wire/errors.ts'

/** As often as the servers of gRPC allow by default even where there are no calls (gRFC A8). */
const MAX_INTERVAL_MS = 7_200_000

/** gRFC A8: a session that asked too often is ended with this. */
export function isTooManyPings(code: number, debug: string): boolean {
  return code === ErrorCode.ENHANCE_YOUR_CALM && debug === 'too_many_pings'
}

export class KeepalivePace implements KeepaliveOptions {
  readonly timeoutMs: number
  readonly withoutCalls: boolean
  intervalMs: number

  constructor({ intervalMs, timeoutMs, withoutCalls }: KeepaliveOptions) {
    this.intervalMs = intervalMs
    this.timeoutMs = timeoutMs
    this.withoutCalls = withoutCalls
  }

  /**
   * A session was ended for it. gRFC A8: a client "should … double the configure KEEPALIVE_TIME". Several sessions may be
   * ended for the same interval, which is doubled once.
   * @param askedAfterMs the interval after which that session asked last
   */
  slowDown(askedAfterMs: number): void {
    const doubled = Math.min(askedAfterMs * 2, MAX_INTERVAL_MS)
    this.intervalMs = Math.max(this.intervalMs, doubled)
  }
}
