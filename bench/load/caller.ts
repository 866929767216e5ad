/** A connection that calls are made on, whatever carries them. */

export interface Caller {
  /** Begins a call, or lets it wait for a place. @param intended comes back with its end */
  call(intended: number): void
  /** Sends what was begun, where that does not happen by itself. */
  flush(): void
  /** Ends it; its owner hears nothing more. */
  close(): void
}

/** What callers tell. A call that has a problem ends the load: what drops calls is not fast. */
export interface CallerOwner {
  /** @param intended what was given to `call` @param problem why the call is no success */
  onEnd(caller: Caller, intended: number, problem: string | undefined): void
  /** The connection is over, and nobody closed it. */
  onLost(reason: string): void
}

/** Open calls on a connection at most where a load does not say: so that all proxies meet the same client. */
export const MAX_OPEN = 100
