/** What a request must be before anybody is asked where it goes. */
import { sameAuthority } from '../grpc/authority.ts'
import { isGrpcContentType, type RequestHead } from '../grpc/metadata.ts'
import { calledMethod, calledResource } from '../grpc/path.ts'
import type { Failure } from './failure.ts'
import * as failures from './failure.ts'

/**
 * Notes in the head what is called.
 * @param encrypted the connection is
 * @param acceptNonGrpc other requests than gRPC's go on
 */
export function checkHead(head: RequestHead, encrypted: boolean, acceptNonGrpc: boolean): Failure | undefined {
  const grpc = isGrpcContentType(head.contentType)
  if (!acceptNonGrpc) {
    if (head.method !== 'POST') return failures.notGrpc(405)
    if (!grpc) return failures.notGrpc(415)
  }
  head.called = grpc ? calledMethod(head.path) : calledResource(head.path)
  if (head.called === undefined) return failures.badPath(grpc)
  if (head.hosts !== 0) {
    if (head.hosts > 1) return failures.badAuthority(grpc, 'host comes more than once')
    if (!sameAuthority(head.authority, head.host, encrypted))
      return failures.badAuthority(grpc, 'host is not :authority')
  }
  return undefined
}
