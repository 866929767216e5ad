/** Which endpoint takes the next call. */
import type { CallInfo } from '../../routing/director.ts'

/** A balancer by its name, or with settings of its own. */
export type BalancerOptions =
  | 'round-robin'
  | 'least-request'
  | 'pick-first'
  | 'peak-ewma'
  | 'weighted-round-robin'
  | PlainBalancerOptions
  | LeastRequestOptions
  | PeakEwmaOptions
  | WeightedRoundRobinOptions
  | RingHashOptions
  | MaglevOptions

/** A balancer without settings. */
export interface PlainBalancerOptions {
  /** `round-robin`: each in turn, by weight; `pick-first`: the first of the list, the next while it cannot. */
  readonly kind: 'round-robin' | 'pick-first'
}

/** The endpoint with the fewest calls in flight for its weight, of some that are chosen at random. */
export interface LeastRequestOptions {
  /** Says that these are the settings of `least-request`. */
  readonly kind: 'least-request'
  /**
   * How many endpoints, chosen at random, are looked at.
   * @defaultValue `2`
   */
  readonly choices?: number
}

/** The endpoint with the least latency for its calls in flight, of some that are chosen at random. */
export interface PeakEwmaOptions {
  /** Says that these are the settings of `peak-ewma`. */
  readonly kind: 'peak-ewma'
  /**
   * How many endpoints, chosen at random, are looked at.
   * @defaultValue `2`
   */
  readonly choices?: number
  /**
   * In this time 63 % of what was measured is forgotten (milliseconds).
   * @defaultValue `10000`
   */
  readonly decayMs?: number
  /**
   * What a new endpoint is thought to take until it has answered (milliseconds).
   * @defaultValue `30`
   */
  readonly defaultLatencyMs?: number
}

/** Turns by what the endpoints report of their load (ORCA, gRFC A58). */
export interface WeightedRoundRobinOptions {
  /** Says that these are the settings of `weighted-round-robin`. */
  readonly kind: 'weighted-round-robin'
  /**
   * What an endpoint reports counts once reports have come for so long (milliseconds).
   * @defaultValue `10000`
   */
  readonly blackoutMs?: number
  /**
   * Without a report for so long an endpoint counts as the mean (milliseconds).
   * @defaultValue `180000`
   */
  readonly expirationMs?: number
  /**
   * How often weights follow what was reported (milliseconds).
   * @defaultValue `1000`
   */
  readonly updateMs?: number
  /**
   * What failed calls add to the load: the part of calls that fail, times this.
   * @defaultValue `1`
   */
  readonly errorPenalty?: number
}

/** What decides where a call goes; in code also a function. */
export type HashKeyOptions =
  | 'client-address'
  | 'authority'
  | 'method'
  | MetadataKeyOptions
  | ((call: CallInfo) => string | undefined)

/** The value of metadata as a key. */
export interface MetadataKeyOptions {
  /** Name of the metadata; several values are one, joined by commas. */
  readonly metadata: string
}

/** Calls with the same key go to the same endpoint: a ring of points (gRFC A42). */
export interface RingHashOptions {
  /** Says that these are the settings of `ring-hash`. */
  readonly kind: 'ring-hash'
  /** What decides where a call goes; a call without it may go anywhere. In code also a function of the call. */
  readonly key: HashKeyOptions
  /**
   * How many times its part of the calls in flight an endpoint may have before its calls go to the next, such as 1.25;
   * default: no bound.
   */
  readonly boundedLoad?: number
  /**
   * Points on the ring of an endpoint of weight 1, fewer where the ring has 262144 in all.
   * @defaultValue `256`
   */
  readonly pointsPerWeight?: number
}

/** Calls with the same key go to the same endpoint: Maglev's table, in which all have the same number of places. */
export interface MaglevOptions {
  /** Says that these are the settings of `maglev`. */
  readonly kind: 'maglev'
  /** What decides where a call goes; a call without it may go anywhere. In code also a function of the call. */
  readonly key: HashKeyOptions
  /**
   * How many times its part of the calls in flight an endpoint may have before its calls go to the next, such as 1.25;
   * default: no bound.
   */
  readonly boundedLoad?: number
  /**
   * Places of the table, a prime number; a hundred times as many as endpoints is good.
   * @defaultValue `65537`
   */
  readonly tableSize?: number
}
