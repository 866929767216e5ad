/** Calls whose route retries by policy, on fake streams. */
import { definePolicy } from '../../src/routing/policy.ts'
import type { RetryPolicy } from '../../src/routing/retry-policy.ts'
import { block, type FakeStream } from '../support/fake-transport.ts'
import { CallRig, type RigOptions } from './rig.ts'

export const TICKS_MS = 10
/** The rig's chance is a half: no jitter. */
export const BACKOFF_MS = 100

export function failed(status: number, more: Readonly<Record<string, string>> = {}) {
  return block({ ':status': '200', 'content-type': 'application/grpc', 'grpc-status': String(status), ...more })
}
export const UNAVAILABLE = failed(14)

export function rigWith(retry: RetryPolicy = {}, options: RigOptions & { timeoutMs?: number } = {}): CallRig {
  const { timeoutMs, ...rest } = options
  const policy = definePolicy({ timeoutMs, retry: { initialBackoffMs: BACKOFF_MS, ...retry } })
  const target = { backend: 'main', policy }
  const rig = new CallRig({ director: () => target, ...rest })
  rig.context = { ...rig.context, random: () => 0.5 }
  return rig
}

export function answers(up: FakeStream, fields = UNAVAILABLE): void {
  up.headers(fields, true)
  up.settle()
}

export function previous(up: FakeStream): string[] {
  const [first] = up.sent
  return first?.kind !== 'headers'
    ? []
    : first.block.filter(f => f.name === 'grpc-previous-rpc-attempts').map(f => f.value)
}
