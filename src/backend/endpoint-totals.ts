/** What has happened at an endpoint since it is there. A call costs one addition. */
export interface EndpointTotals {
  /** Streams that were opened for calls; a call that is tried again has several. */
  readonly calls: number
  /** Those that the endpoint reset, refused, or lost with their session. Answers with an error are answers. */
  readonly broken: number
  /** Sessions that became ready. */
  readonly connects: number
  readonly connectFailures: number
}

/** The same, to be counted. */
export class Totals implements EndpointTotals {
  calls = 0
  broken = 0
  connects = 0
  connectFailures = 0

  add({ calls, broken, connects, connectFailures }: EndpointTotals): void {
    this.calls += calls
    this.broken += broken
    this.connects += connects
    this.connectFailures += connectFailures
  }
}

/** Why and when a session, or an attempt to have one, ended. */
export interface LastEnd {
  readonly reason: string
  /** Undefined: there has been none. */
  readonly atMs: number | undefined
}
