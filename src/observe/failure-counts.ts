/** How the proxy itself ended calls: by reason and backend, and by the gate that refused them. */
import type { CallRecord } from '../call/record.ts'
import { counter } from './families.ts'
import type { Family, Sample } from './registry.ts'

/** Of gates there are as many names as the configurations since the start had; so many have series of their own. */
const MAX_GATES = 1_000
const OTHER = 'other'

export class FailureCounts {
  /** By backend, and by token: the tokens are the code's own. */
  readonly #failures = new Map<string, Map<string, number>>()
  /** By gate. */
  readonly #refusals = new Map<string, Map<string, number>>()

  /** @param backend as it has series; empty: the call was not routed */
  add({ reason, gate = '' }: CallRecord, backend: string): void {
    count(this.#failures, backend, reason)
    if (gate !== '')
      count(this.#refusals, this.#refusals.size < MAX_GATES || this.#refusals.has(gate) ? gate : OTHER, reason)
  }

  readonly families: readonly Family[] = [
    counter(
      'grpc_verbatim_call_failures',
      'Calls that the proxy itself ended, by reason, and by backend where they had one.',
      () => samplesOf(this.#failures, 'backend'),
    ),
    counter(
      'grpc_verbatim_gate_refusals',
      'Calls that a gate refused, by the name of the gate (`code` for gates of code without one) and by reason.',
      () => samplesOf(this.#refusals, 'gate'),
    ),
  ]
}

function count(all: Map<string, Map<string, number>>, of: string, reason: string): void {
  const counts = all.get(of) ?? new Map<string, number>()
  if (counts.size === 0) all.set(of, counts)
  counts.set(reason, (counts.get(reason) ?? 0) + 1)
}

function samplesOf(all: ReadonlyMap<string, ReadonlyMap<string, number>>, label: string): Sample[] {
  return [...all].flatMap(([of, counts]) =>
    Array.from(counts, ([reason, value]) => ({ labels: { reason, [label]: of }, value })),
  )
}
