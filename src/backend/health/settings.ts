/** How the endpoints of a backend are judged, as its settings say. */
import type { StatusName } from '../../grpc/status.ts'
import type { FailurePercentageOptions, SuccessRateOptions } from './rates.ts'

/** Active checks. */
export interface HealthSettings {
  /** `grpc`: the health service is asked. `connect`: a session is established. */
  readonly kind: 'grpc' | 'connect'
  /** What the health service is asked for; by default the server as a whole. */
  readonly service?: string | undefined
  /** Each endpoint is asked once in this time. */
  readonly intervalMs: number
  /** Longest time of a check, with connecting. */
  readonly timeoutMs: number
  /** So many bad answers in a row make a healthy endpoint unhealthy. */
  readonly unhealthyThreshold: number
  /** So many good answers in a row make an unhealthy endpoint healthy. */
  readonly healthyThreshold: number
}

/** Outlier ejection. */
export interface OutlierSettings {
  /** How often rates are judged, and ejections looked at. */
  readonly intervalMs: number
  /** How long the first ejection lasts. Each further one lasts so much longer; each interval without one so much less. */
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  /** While this part of the endpoints is ejected, in percent, no other one is. */
  readonly maxEjectedPercent: number
  /** Statuses that are failures. */
  readonly statuses: readonly StatusName[]
  /** So many failures in a row eject an endpoint; 0: they do not. */
  readonly consecutiveFailures: number
  readonly successRate: SuccessRateOptions
  readonly failurePercentage: FailurePercentageOptions
}
