/**
 * Gates for a proxy in code: who may call, and how often. A gate of one's own is a function of this kind.
 *
 * ```ts
 * import { createProxy } from 'grpc-verbatim'
 * import { jwt, rateLimit } from 'grpc-verbatim/gates'
 *
 * createProxy({ gates: [jwt({ issuer, audience, jwks: { url } }), rateLimit({ perSecond: 100, key: 'identity' })], … })
 * ```
 */
export { allOf, anyOf, type Gate, onAnswer, Refusal, type RefusalToken, refusal, through } from '../routing/gate.ts'
export type { ServiceCall, Services } from '../routing/services.ts'
export { type ApiKey, type ApiKeysOptions, apiKeys } from './api-keys.ts'
export type { AskedServiceOptions } from './asked-service.ts'
export { type AuthorizationOptions, authorization } from './authorization.ts'
export type { CallKey, CallKeys } from './call-key.ts'
export { type CertificateOptions, certificate } from './certificate.ts'
export { type ClaimsOptions, claims } from './claims.ts'
export { type ConcurrencyOptions, concurrency } from './concurrency.ts'
export { type FaultOptions, type FaultShare, faults } from './faults.ts'
export { type DescriptorValue, type GlobalRateLimitOptions, globalRateLimit } from './global-rate-limit.ts'
export type { RemoteKeys } from './jwks.ts'
export { type JwtOptions, jwt } from './jwt.ts'
export { type NetworkOptions, network } from './network.ts'
export { type RateLimitOptions, rateLimit } from './rate-limit.ts'
