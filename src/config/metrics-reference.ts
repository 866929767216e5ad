/**
 * What the table of docs/metrics.md says: all metrics, as the code has them.
 *
 * `node src/config/metrics-reference.ts --page docs/metrics.md` writes it anew.
 */
import type { Reading } from '../observe/registry.ts'
import { createProxy } from './create-proxy.ts'
import { pageCommand, tableRow, withPart } from './page-part.ts'

const MARKS = { begin: '<!-- metrics:begin -->', end: '<!-- metrics:end -->' }

const CALL = ['method', 'backend']
/** Labels of the metrics that have some besides `backend`. A test compares them with what is told. */
const LABELS: Readonly<Record<string, readonly string[]>> = {
  grpc_verbatim_calls_ended: [...CALL, 'status', 'ended_by'],
  grpc_verbatim_call_duration_seconds: CALL,
  grpc_verbatim_messages: [...CALL, 'direction'],
  grpc_verbatim_message_bytes: [...CALL, 'direction'],
  grpc_verbatim_call_retries: CALL,
  grpc_verbatim_call_failures: ['reason', 'backend'],
  grpc_verbatim_gate_refusals: ['reason', 'gate'],
  grpc_verbatim_key_fetches: ['issuer', 'outcome'],
  grpc_verbatim_key_age_seconds: ['issuer'],
  grpc_verbatim_flood_allowance_used: ['side', 'of'],
  grpc_verbatim_mirrored_calls: ['backend', 'mirror', 'outcome'],
  grpc_verbatim_mirrored_duration_seconds: ['backend', 'mirror', 'of'],
  grpc_verbatim_own_latency_seconds: ['direction'],
  grpc_verbatim_violations: ['token'],
  grpc_verbatim_client_sessions_opened: ['tls'],
  grpc_verbatim_client_connections_refused: ['refusal'],
  grpc_verbatim_client_tls_failures: ['reason'],
  grpc_verbatim_stream_resets: ['side', 'direction', 'code'],
  grpc_verbatim_goaways: ['side', 'direction', 'code'],
  grpc_verbatim_stalled_seconds: ['side', 'reason'],
  grpc_verbatim_stalled_streams: ['side', 'reason'],
  grpc_verbatim_held_bytes: ['of'],
  grpc_verbatim_held_bytes_limit: ['of'],
  grpc_verbatim_backend_unusable_endpoints: ['backend', 'reason'],
  grpc_verbatim_backend_endpoint_states: ['backend', 'state'],
  grpc_verbatim_backend_breaker_used: ['backend', 'of'],
  grpc_verbatim_backend_breaker_limit: ['backend', 'of'],
  grpc_verbatim_backend_retries: ['backend', 'reason'],
  grpc_verbatim_backend_ended_retries: ['backend', 'why'],
  grpc_verbatim_backend_hedges: ['backend', 'outcome'],
  grpc_verbatim_backend_connect_failures: ['backend', 'kind'],
  grpc_verbatim_backend_endpoint_events: ['backend', 'event'],
  grpc_verbatim_configuration_reloads: ['verdict'],
  grpc_verbatim_build_info: ['version', 'node'],
  grpc_verbatim_certificate_expiry_timestamp_seconds: ['option'],
  nodejs_gc_duration_seconds: ['kind'],
}

/** The labels that samples of a metric have. */
export function labelsOf(name: string): readonly string[] {
  return LABELS[name] ?? (name.startsWith('grpc_verbatim_backend_') && !NOT_BY_BACKEND.has(name) ? ['backend'] : [])
}

/** Sums over all backends. */
const NOT_BY_BACKEND = new Set(['grpc_verbatim_backend_sessions', 'grpc_verbatim_backend_streams'])

function rowOf({ name, type, help }: Reading): string {
  const told = type === 'counter' ? `${name}_total` : name
  const labels = labelsOf(name).map(label => `\`${label}\``)
  return tableRow([`\`${told}\``, type, labels.join(', '), help])
}

/** @returns undefined where the page has no marks */
export async function withMetrics(page: string): Promise<string | undefined> {
  const proxy = createProxy({ backends: { main: { endpoints: ['127.0.0.1:1'] } }, metrics: true })
  const { readMetrics } = proxy as unknown as { readMetrics(): Reading[] }
  const rows = readMetrics.call(proxy).map(rowOf)
  await proxy.close()
  const heads = ['metric', 'type', 'labels', 'what it tells']
  const table = [tableRow(heads), `|${'---|'.repeat(heads.length)}`, ...rows].join('\n')
  return withPart(page, MARKS, `\n\n${table}\n\n`)
}

void pageCommand(import.meta.url, 'src/config/metrics-reference.ts --page docs/metrics.md', MARKS, withMetrics)
