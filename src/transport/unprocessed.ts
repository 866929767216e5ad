/** What the end of a stream says of its request. */
import { ErrorCode } from '../wire/errors.ts'
import type { StreamEnd } from './transport.ts'

/** The peer promises that it did not process the request (RFC 9113 §6.8, §8.7; gRFC A6). */
export function wasUnprocessed(end: StreamEnd): boolean {
  if (end.kind === 'lost') return end.unprocessed
  return end.kind === 'reset' && end.by === 'peer' && end.code === ErrorCode.REFUSED_STREAM
}
