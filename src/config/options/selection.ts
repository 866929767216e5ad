/** Which endpoints of a backend calls go to, and how much each group of them gets. */

/** A part of the endpoints for each proxy. */
export interface SubsetOptions {
  /**
   * How many endpoints of each priority this proxy uses.
   * @defaultValue `20`
   */
  readonly size?: number
  /**
   * Proxies with the same one use the same endpoints; default: the name of the machine with the number of the process.
   */
  readonly id?: string
}

/** Where the proxy runs. */
export interface LocalityOptions {
  /** Where this proxy runs, by the name that endpoints have there. */
  readonly own: string
  /**
   * Which part of all calls to this backend comes from there; default: each locality that has endpoints sends the same.
   */
  readonly share?: number
}

/** Few calls for endpoints that are new or back. */
export interface SlowStartOptions {
  /**
   * How long it takes until such an endpoint has its whole part of the calls (milliseconds).
   * @defaultValue `30000`
   */
  readonly windowMs?: number
  /**
   * The part of its weight with which it begins.
   * @defaultValue `0.1`
   */
  readonly minWeight?: number
  /**
   * 1: its weight grows evenly; more: fast at first; less: slow at first.
   * @defaultValue `1`
   */
  readonly aggression?: number
}
