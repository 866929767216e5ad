/** Metrics of workers as their primary sees them. */
import { counter, gauge } from '../observe/families.ts'
import type { Family } from '../observe/registry.ts'
import type { Member } from './crew-options.ts'

export function crewFamilies(members: readonly Member[]): Family[] {
  return [
    gauge(
      'grpc_verbatim_worker_connections',
      'Connections of clients that a worker has, with those that are on the way to it.',
      () => members.map(({ number, load }) => ({ labels: { worker: String(number) }, value: load })),
    ),
    gauge('grpc_verbatim_worker_ready', 'Whether a worker serves.', () =>
      members.map(({ number, isReady }) => ({ labels: { worker: String(number) }, value: Number(isReady) })),
    ),
    counter('grpc_verbatim_worker_ends', 'How often a worker ended and was started again.', () =>
      members.map(({ number, ends }) => ({ labels: { worker: String(number) }, value: ends })),
    ),
  ]
}
