/** Time, injected: code that waits or measures takes a clock, so that tests do not have to wait. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number
  /** Calls `fire` once, `delayMs` from now. Does not keep the process alive. */
  after(delayMs: number, fire: () => void): Timer
}

export interface Timer {
  cancel(): void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, fire) {
    const handle = setTimeout(fire, delayMs)
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
