/** What a client gets over HTTP/1.1 whose request is not gRPC-Web: a status, and a sentence that says what to do. */
import { field, isGrpcContentType } from '../grpc/metadata.ts'
import type { HeaderBlock } from '../transport/transport.ts'

export interface Explanation {
  readonly status: number
  readonly sentence: string
}

export function notWeb(method: string, contentType: string): Explanation {
  if (method !== 'POST')
    return { status: 405, sentence: 'Over HTTP/1.1 this address takes gRPC-Web calls, which are POST requests.\n' }
  if (isGrpcContentType(contentType)) {
    return {
      status: 505,
      sentence: 'gRPC needs HTTP/2. Over HTTP/1.1 this address takes gRPC-Web: application/grpc-web.\n',
    }
  }
  return {
    status: 415,
    sentence: 'Over HTTP/1.1 this address takes gRPC-Web: application/grpc-web or application/grpc-web-text.\n',
  }
}

/** Where it answers probes over HTTP/1.1, and nothing else. */
export function notGrpc(method: string): Explanation {
  const isPage = method === 'GET' || method === 'HEAD'
  return {
    status: isPage ? 404 : 505,
    sentence: 'This port speaks gRPC over HTTP/2. Over HTTP/1.1 it answers probes only.\n',
  }
}

/** @param allowed the methods that are served */
export function plainAnswer(status: number, sentence: string, allowed: string): HeaderBlock {
  const block = [
    field(':status', String(status)),
    field('content-type', 'text/plain; charset=utf-8'),
    field('content-length', String(sentence.length)),
  ]
  // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
  return status === 405 ? [...block, field('allow', allowed)] : block
}
