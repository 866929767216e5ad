/** The endpoints of a backend, one by one. */
import type { Duplex } from 'node:stream'

/** An endpoint is its address; in code it may also bring its own byte stream. */
export type EndpointOptions = string | AddressedEndpoint | ConnectedEndpoint

/** An endpoint by its address. */
export interface AddressedEndpoint {
  /** Where the endpoint is, written as without the object. */
  readonly address: string
  /**
   * Its part of the calls beside the other endpoints, whose weight is 1 by default; 0: no new calls, those that it has
   * go on.
   */
  readonly weight?: number
  /**
   * Endpoints of priority 0, which is the default, are used first; those of the next number take over as too few of
   * them can be used.
   */
  readonly priority?: number
  /** Where the endpoint runs: a zone or a region, by any name; see `locality` of the backend. */
  readonly locality?: string
}

/** An endpoint that brings its own byte stream: a tunnel, a process, something within this process. */
export interface ConnectedEndpoint {
  /** For logs and messages. */
  readonly name: string
  /** Makes the byte stream of one new session, at once (in code only). */
  readonly connect: () => Duplex
  /**
   * Its part of the calls beside the other endpoints, whose weight is 1 by default; 0: no new calls, those that it has
   * go on.
   */
  readonly weight?: number
  /**
   * Endpoints of priority 0, which is the default, are used first; those of the next number take over as too few of
   * them can be used.
   */
  readonly priority?: number
  /** Where the endpoint runs: a zone or a region, by any name; see `locality` of the backend. */
  readonly locality?: string
}
