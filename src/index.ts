/** grpc-verbatim: a transparent gRPC reverse proxy. The public API, exports only. */
export type {
  BackendState,
  EndpointState,
  SessionState,
  SourceProblemState,
  UnusableReason,
} from './backend/backend-state.ts'
export type { EndpointTotals } from './backend/endpoint-totals.ts'
export type { CallState } from './call/call-state.ts'
export { createProxy } from './config/create-proxy.ts'
export { defineBackend } from './config/define-backend.ts'
export type { BackendHandle, GrpcProxy } from './config/grpc-proxy.ts'
export type * from './config/options.ts'
export type { OwnSource, OwnSourceSink } from './config/own-source.ts'
export { ConfigError, type Problem } from './config/problems.ts'
export { GrpcError, Status, type StatusCode, type StatusName } from './grpc/status.ts'
export type { RecentFailure } from './observe/recent-failures.ts'
export type { BesideOptions, StreamHandler } from './proxy/carriers.ts'
export type { ChangeSummary } from './proxy/change.ts'
export { UnfitChange } from './proxy/front-change.ts'
export type { ClientSessionState, ListenerState } from './proxy/front-state.ts'
export type { ListenOptions } from './proxy/proxy.ts'
export type { RouteState } from './proxy/route-state.ts'
export type { OpenCounts, ProxyState, StateOptions } from './proxy/state.ts'
export type {
  BackendDefinition,
  CallerIdentity,
  CallInfo,
  CallNotes,
  CallPriority,
  Director,
  MetadataView,
  Target,
} from './routing/director.ts'
export type { FieldChanges, MetadataChanges } from './routing/field-changes.ts'
export type { Gate } from './routing/gate.ts'
export type { HedgePolicy } from './routing/hedge-policy.ts'
export { defineChanges } from './routing/metadata-changes.ts'
export { type CallPolicy, definePolicy } from './routing/policy.ts'
export type { RetryPolicy } from './routing/retry-policy.ts'
export type { BoundAddress } from './transport/listening-socket.ts'
export type { HeaderBlock, HeaderField, Peer } from './transport/transport.ts'
