/** A connection on which calls are made, whatever carries them. */

export interface Caller {
  /** Begins a call, or lets it wait for a place. @param intended comes back with its end */
  call(intended: number): void
  /** Sends the calls that were begun, where that does not happen by itself. */
  flush(): void
  /** Ends it; its owner hears nothing more. */
  close(): void
}

/** What callers report. A call with a problem ends the load, because a proxy that drops calls is not fast. */
export interface CallerOwner {
  /** @param intended what was given to `call` @param problem why the call did not succeed */
  onEnd(caller: Caller, intended: number, problem: string | undefined): void
  /** The connection is over, and nobody closed it. */
  onLost(reason: string): void
}

/** The most open calls on a connection where a load does not say, so that all proxies meet the same client. */
export const MAX_OPEN = 100
