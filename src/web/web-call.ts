/** The call behind a client's stream that speaks another protocol than gRPC. */
import type { HeaderBlock, StreamOwner } from '../transport/transport.ts'

/** Why such a call is not forwarded. */
export type Unfit = 'web-origin' | 'web-body'

/** The call behind it. */
export interface WebCall extends StreamOwner {
  /** @param unfit the call has to answer with this */
  onHeaders(block: HeaderBlock, endStream: boolean, unfit?: Unfit): void
  onOversized(block: HeaderBlock, endStream: boolean): void
  /** The rest of its request cannot be read. */
  onUnfit(why: Unfit): void
}
