/** How the endpoints of a backend are judged: by asking them, and by how calls end there. */
import type { StatusName } from '../../grpc/status.ts'

/** Active health checks. */
export interface HealthOptions {
  /**
   * `grpc` asks `grpc.health.v1.Health/Check`; `connect` establishes a new session each time, up to the first SETTINGS.
   * @defaultValue `grpc`
   */
  readonly kind?: 'grpc' | 'connect'
  /** The service that `grpc` asks for; by default the server as a whole. */
  readonly service?: string
  /**
   * Each endpoint is asked once in this time, give or take a fifth (milliseconds).
   * @defaultValue `5000`
   */
  readonly intervalMs?: number
  /**
   * Longest time of a check, with connecting where it has to (milliseconds).
   * @defaultValue `1000`
   */
  readonly timeoutMs?: number
  /**
   * So many bad answers in a row make an endpoint unhealthy; one is enough where it says so itself.
   * @defaultValue `2`
   */
  readonly unhealthyThreshold?: number
  /**
   * So many good answers in a row make it healthy again.
   * @defaultValue `2`
   */
  readonly healthyThreshold?: number
}

/** Outlier ejection, as in gRFC A50. */
export interface OutlierOptions {
  /**
   * How often success rates are looked at, and ejections (milliseconds).
   * @defaultValue `10000`
   */
  readonly intervalMs?: number
  /**
   * How long the first ejection lasts; each further one is so much longer, each interval without one makes the next
   * shorter (milliseconds).
   * @defaultValue `30000`
   */
  readonly baseEjectionMs?: number
  /**
   * Longest ejection, unless baseEjectionMs is longer (milliseconds).
   * @defaultValue `300000`
   */
  readonly maxEjectionMs?: number
  /**
   * While this part of the endpoints is ejected, in percent, no other one is; 0: none is ever; the last one never is.
   * @defaultValue `10`
   */
  readonly maxEjectedPercent?: number
  /** Which statuses are failures; by default `UNAVAILABLE`, `INTERNAL` and `UNKNOWN`. */
  readonly statuses?: readonly StatusName[]
  /**
   * So many failures in a row eject an endpoint, and so many failed connects; 0: they do not.
   * @defaultValue `5`
   */
  readonly consecutiveFailures?: number
  /** Ejects endpoints whose calls succeed less often than elsewhere. */
  readonly successRate?: SuccessRateOptions
  /** Ejects endpoints whose calls mostly fail. */
  readonly failurePercentage?: FailurePercentageOptions
}

/** Endpoints are compared with each other. */
export interface SuccessRateOptions {
  /**
   * How many standard deviations below the mean of all its success rate must be.
   * @defaultValue `1.9`
   */
  readonly stdevFactor?: number
  /**
   * Nobody is judged where fewer endpoints than this have enough calls.
   * @defaultValue `5`
   */
  readonly minimumEndpoints?: number
  /**
   * How many calls in an interval are enough; one of several clients counts for half.
   * @defaultValue `100`
   */
  readonly requestVolume?: number
  /**
   * How likely an endpoint that is found is ejected, in percent; 0: this way of finding is off.
   * @defaultValue `100`
   */
  readonly enforcementPercent?: number
}

/** Endpoints are compared with a number. */
export interface FailurePercentageOptions {
  /**
   * More of its calls than this must have failed, in percent.
   * @defaultValue `85`
   */
  readonly threshold?: number
  /**
   * Nobody is judged where fewer endpoints than this have enough calls.
   * @defaultValue `5`
   */
  readonly minimumEndpoints?: number
  /**
   * How many calls in an interval are enough; one of several clients counts for half.
   * @defaultValue `50`
   */
  readonly requestVolume?: number
  /**
   * How likely an endpoint that is found is ejected, in percent; 0: this way of finding is off.
   * @defaultValue `100`
   */
  readonly enforcementPercent?: number
}
