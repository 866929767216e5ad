/** Who measures how long the proxy itself takes with a call. */
export interface CallLatency {
  /** A request is written in this turn of the loop. @param startMs when it came, by the clock of calls */
  forwarded(startMs: number): void
  /** The headers of a response came in this turn, and are written in it. */
  responded(): void
}
