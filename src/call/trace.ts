/** A call as a part of a trace, from its headers to its end. */
import type { Replacement, RequestHead } from '../grpc/metadata.ts'
import type { DialAddress, HeaderBlock } from '../transport/transport.ts'
import type { EndedBy } from './failure.ts'

/**
 * The headers of a call came. It must not throw: what it is for is not worth the call.
 * @param startMs by the clock
 * @returns undefined: this call belongs to no trace
 */
export type BeginTrace = (head: RequestHead, block: HeaderBlock, startMs: number) => CallTrace | undefined

export interface CallTrace {
  /** 32 digits of a number with base 16. */
  readonly traceId: string
  /** Whether that may be: else nobody needs to be told of the call for its trace. */
  readonly mayBeKept: boolean
  /** Whether the call is found where traces are kept. Known once the call is over and the tracer was told of it. */
  readonly kept: boolean
  /**
   * An attempt begins.
   * @returns what goes to the backend instead of what the client sent of it; undefined: the same goes on as it came
   */
  attempt(address: DialAddress): Replacement | undefined
  /**
   * An attempt is over. Told for each, and also where there is none.
   * @param status -1 where the response had none
   * @param reason as in the call's record: empty for a status from the backend
   * @param place of the attempt, by when it began; undefined: all that are not over
   */
  attemptEnded(by: EndedBy, status: number, reason: string, place?: number): void
}
