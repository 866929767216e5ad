/** Sessions and connections of both sides as metrics, and what they hold in memory. */
import { byLabel, counter, gauge } from '../observe/families.ts'
import type { Family, Sample } from '../observe/registry.ts'
import { systemClock } from '../transport/clock.ts'
import { byCode, type FrameCounts } from '../wire/frame-counts.ts'
import type { Carriers } from './carriers.ts'
import type { ClientCounts } from './client-counts.ts'

export function sessionFamilies(clients: ClientCounts, { counts, budget, memory }: Carriers): Family[] {
  return [
    ...clientFamilies(clients),
    ...frameFamilies(counts.server.frames, counts.client.frames),
    ...stallFamilies(counts.server, counts.client),
    ...memoryFamilies([
      { of: 'windows', bytes: budget.promisedBytes, limit: budget.limitBytes },
      { of: 'calls', bytes: memory.heldBytes, limit: memory.limitBytes },
    ]),
  ]
}

function clientFamilies({ encrypted, plaintext, closed, refused, handshakes }: ClientCounts): Family[] {
  const opened = Object.entries({ yes: encrypted, no: plaintext })
  return [
    counter(
      'grpc_verbatim_client_sessions_opened',
      'Sessions of clients that became ready, by whether they have TLS.',
      () => byLabel('tls', opened),
    ),
    counter('grpc_verbatim_client_sessions_closed', 'Sessions of clients that have ended.', () => closed),
    counter(
      'grpc_verbatim_client_connections_refused',
      'Connections of clients that did not become sessions, by why.',
      () => byLabel('refusal', refused),
    ),
    counter('grpc_verbatim_client_tls_failures', 'TLS handshakes of clients that failed, by why.', () =>
      byLabel('reason', handshakes),
    ),
  ]
}

/** `side`: who is at the other end. `direction`: whether we sent it, or it came. */
function frameFamilies(toClients: FrameCounts, toBackends: FrameCounts): Family[] {
  const both = Object.entries({ client: toClients, backend: toBackends })
  const samples = (sent: (of: FrameCounts) => Float64Array, received: (of: FrameCounts) => Float64Array): Sample[] =>
    both.flatMap(([side, of]) => [
      ...byLabel('code', byCode(sent(of)), { side, direction: 'sent' }),
      ...byLabel('code', byCode(received(of)), { side, direction: 'received' }),
    ])
  return [
    counter(
      'grpc_verbatim_stream_resets',
      'RST_STREAM frames, by their code, who is at the other end, and whether they were sent or came. Of `frames` only.',
      () =>
        samples(
          of => of.resetsSent,
          of => of.resetsReceived,
        ),
    ),
    counter('grpc_verbatim_goaways', 'GOAWAY frames, in the same way.', () =>
      samples(
        of => of.goawaysSent,
        of => of.goawaysReceived,
      ),
    ),
    gauge(
      'grpc_verbatim_flood_allowance_used',
      'Which part of an allowance against floods (limits.floods) any session has used in the last minute or two: at 1 it was ended. Of `frames` only.',
      () => both.flatMap(([side, { floods }]) => byLabel('of', floods.read(systemClock.now()), { side })),
      'greatest',
    ),
  ]
}

function stallFamilies(toClients: SideCounts, toBackends: SideCounts): Family[] {
  const all = Object.entries({ client: toClients, backend: toBackends }).flatMap(([side, { stalls }]) =>
    stalls.read().map(({ reason, streams, seconds }) => ({ labels: { side, reason }, streams, seconds })),
  )
  return [
    counter(
      'grpc_verbatim_stalled_seconds',
      'Time that streams waited because a side took nothing of what was there for it: seconds of all streams added up, by side and by what was full or closed. Of `frames` only.',
      () => all.map(({ labels, seconds }) => ({ labels, value: seconds })),
    ),
    gauge('grpc_verbatim_stalled_streams', 'Streams that wait so now.', () =>
      all.map(({ labels, streams }) => ({ labels, value: streams })),
    ),
  ]
}

type SideCounts = Carriers['counts']['server']

interface Held {
  readonly of: 'windows' | 'calls'
  readonly bytes: number
  readonly limit: number
}

function memoryFamilies(all: readonly Held[]): Family[] {
  const bounded = all.filter(({ limit }) => Number.isFinite(limit))
  return [
    gauge(
      'grpc_verbatim_held_bytes',
      'Memory for what peers send: windows that they have beyond the first 64 KiB of each session (limits.maxBufferedBytes), and calls with their headers (limits.maxCallBytes).',
      () => all.map(({ of, bytes }) => ({ labels: { of }, value: bytes })),
    ),
    gauge('grpc_verbatim_held_bytes_limit', 'The bound on it.', () =>
      bounded.map(({ of, limit }) => ({ labels: { of }, value: limit })),
    ),
  ]
}
