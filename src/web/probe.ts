/** What a load balancer gets that knows nothing of gRPC and asks by GET whether to send clients here. */
import { field } from '../grpc/metadata.ts'
import type { HeaderBlock } from '../transport/transport.ts'

export interface ProbeRules {
  /** As it stands in the request; what follows a `?` is not looked at. */
  readonly path: string
}

/** @returns whether this is the question; `method` is GET or HEAD */
export function isProbe(rules: ProbeRules, path: string): boolean {
  const query = path.indexOf('?')
  return (query < 0 ? path : path.slice(0, query)) === rules.path
}

/** Why it is not ready is for the admin address: whoever asks here may be anybody. */
export function probeText(isReady: boolean): string {
  return isReady ? 'it is ready\n' : 'it is not ready\n'
}

export function probeHead(isReady: boolean): HeaderBlock {
  return [
    field(':status', isReady ? '200' : '503'),
    field('content-type', 'text/plain; charset=utf-8'),
    field('content-length', String(probeText(isReady).length)),
    field('cache-control', 'no-store'),
  ]
}
