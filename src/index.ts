/** grpc-verbatim: a transparent gRPC reverse proxy. The public API, exports only. */
export { createProxy } from './config/create-proxy.ts'
export { type BackendOptions, defineBackend } from './config/define-backend.ts'
export { ConfigError, type Problem } from './config/problems.ts'
export type { ProxyOptions } from './config/schema.ts'
export { GrpcError, Status, type StatusCode, type StatusName } from './grpc/status.ts'
export type { BesideOptions, BoundAddress, GrpcProxy, ListenOptions, OpenCounts, StreamHandler } from './proxy.ts'
export type { BackendDefinition, CallInfo, Director, MetadataView, Target } from './routing/director.ts'
export type { HeaderBlock, HeaderField, Peer } from './transport/transport.ts'
