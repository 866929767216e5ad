/** The test service's metadata to and from grpc-js's. */
import { Metadata as GrpcMetadata } from '@grpc/grpc-js'
import type { Metadata } from '../../src/demo/call.ts'

export function toGrpc(metadata: Metadata): GrpcMetadata {
  const out = new GrpcMetadata()
  for (const [name, value] of metadata) out.add(name, value)
  return out
}

export function fromGrpc(metadata: GrpcMetadata): Metadata {
  return Object.keys(metadata.getMap()).flatMap(name => metadata.get(name).map(value => [name, value] as const))
}
