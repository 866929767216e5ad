/** Who takes part in the fault runs, in the order of the table. */
import { envoyWith, NGHTTPX, type Subject, verbatim } from './subject.ts'

const LEAST_REQUEST = { balancer: 'least-request' }

/** All that is there against bad endpoints, set to see within a second or two what usually may take longer. */
const GUARDED = {
  balancer: 'least-request',
  health: { intervalMs: 1_000, timeoutMs: 500 },
  outliers: { intervalMs: 1_000, baseEjectionMs: 5_000, maxEjectedPercent: 50 },
  keepalive: { intervalMs: 1_000, timeoutMs: 1_000 },
}

const ENVOY_LEAST_REQUEST = { lb_policy: 'LEAST_REQUEST' }

/** The same of Envoy's. */
const ENVOY_GUARDED = {
  ...ENVOY_LEAST_REQUEST,
  // Else one that is off the list is used until a check has failed.
  ignore_health_on_host_removal: true,
  health_checks: [
    { interval: '1s', timeout: '0.5s', unhealthy_threshold: 2, healthy_threshold: 2, grpc_health_check: {} },
  ],
  outlier_detection: {
    consecutive_5xx: 5,
    interval: '1s',
    base_ejection_time: '5s',
    max_ejection_percent: 50,
  },
}
const ENVOY_KEEPALIVE = { interval: '1s', timeout: '1s' }

export const SUBJECTS: readonly Subject[] = [
  verbatim('round-robin', {}),
  verbatim('least-request', LEAST_REQUEST),
  verbatim('least-request on native', LEAST_REQUEST, 'native'),
  verbatim('peak-ewma', { balancer: 'peak-ewma' }),
  verbatim('guarded', GUARDED),
  NGHTTPX,
  envoyWith('envoy least request', ENVOY_LEAST_REQUEST),
  envoyWith('envoy guarded', ENVOY_GUARDED, ENVOY_KEEPALIVE),
]
