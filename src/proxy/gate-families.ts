/** What gates have besides the calls that they refuse: the keys of issuers. */
import { counter, gauge } from '../observe/families.ts'
import type { Family, Sample } from '../observe/registry.ts'
import type { Gate, KeyFetches } from '../routing/gate.ts'
import type { ProxySetup } from './setup.ts'

export type Gated = Pick<ProxySetup, 'gate' | 'listeners' | 'routes'>

export function gateFamilies(setup: Gated): Family[] {
  const all = [...fetchesOf(setup)]
  return [
    counter(
      'grpc_verbatim_key_fetches',
      'How often the keys of an issuer (`jwks.url`) were fetched, by what came of it.',
      () =>
        all.flatMap(({ issuer, fetched, failed }): Sample[] => [
          { labels: { issuer, outcome: 'ok' }, value: fetched },
          { labels: { issuer, outcome: 'failed' }, value: failed },
        ]),
    ),
    gauge(
      'grpc_verbatim_key_age_seconds',
      'How long ago they were last fetched well, which happens only while tokens come. Beyond maxAgeMs and maxStaleMs nobody passes.',
      () =>
        all.flatMap(({ issuer, ageMs }): Sample[] =>
          ageMs === undefined ? [] : [{ labels: { issuer }, value: ageMs / 1_000 }],
        ),
      'greatest',
    ),
  ]
}

/** A gate may stand in many places. Two gates may have one issuer: they are two samples, to be put together. */
function fetchesOf({ gate, listeners, routes }: Gated): Set<KeyFetches> {
  const gates = [gate, ...listeners.map(({ gate }) => gate), ...routes.map(({ gate }) => gate)]
  return new Set(gates.flatMap((one: Gate | undefined) => one?.fetches ?? []))
}
