/**
 * What a backend does at each of its endpoints besides sending calls there: it asks for their health, counts their failures,
 * measures their latency. Each feature that is configured is one watch.
 */
import type { Endpoint } from './endpoint.ts'
import type { OutcomeListener } from './outcome.ts'

export interface EndpointWatch {
  /** The endpoint is on the list now. @returns what wants to hear of the attempts there, if anything does */
  watch(endpoint: Endpoint): OutcomeListener | undefined
  /** It has left the list. What its calls still do is told. */
  unwatch?(endpoint: Endpoint): void
  /** A connect failed. */
  onConnectFailed?(endpoint: Endpoint): void
  /** Stops for good, and takes back its bars. */
  close?(): void
}

/** Whom a watch tells of what endpoints tell. */
export interface WatchContext {
  /** An endpoint told something that is not used. It is counted by the token, and said once: `again` is false then. */
  readonly onOddity?: (token: string, endpoint: string, detail: string, again: boolean) => void
}
