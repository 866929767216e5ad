/** Who takes part in the fault runs, in the order of the table. */
import { envoyWith, NGHTTPX, type Subject, verbatim } from './subject.ts'

const LEAST_REQUEST = { balancer: { kind: 'least-request' } }

/** Envoy's nearest to what this proxy has as one option each. */
const ENVOY_OUTLIERS = {
  lb_policy: 'LEAST_REQUEST',
  outlier_detection: { consecutive_5xx: 5, interval: '1s', base_ejection_time: '5s', max_ejection_percent: 50 },
}

export const SUBJECTS: readonly Subject[] = [
  verbatim('round-robin', {}),
  verbatim('least-request', LEAST_REQUEST),
  verbatim('least-request on native', LEAST_REQUEST, 'native'),
  NGHTTPX,
  envoyWith('envoy round robin', {}),
  envoyWith('envoy least request', { lb_policy: 'LEAST_REQUEST' }),
  envoyWith('envoy with outlier detection', ENVOY_OUTLIERS),
]
