/**
 * Who of several endpoints is an outlier by how its calls ended in an interval: gRFC A50, "Success Rate Algorithm" and
 * "Failure Percentage Algorithm". An endpoint with few calls is not judged, and where few can be judged nobody is.
 */

/** How likely one that is found is ejected, in percent; 0: it is not looked for. */
export interface Enforcement {
  readonly enforcementPercent: number
}

export interface SuccessRateOptions extends Enforcement {
  /** An endpoint is an outlier if its success rate is so many standard deviations below the mean of all. */
  readonly stdevFactor: number
  /** At least so many endpoints must have enough calls. */
  readonly minimumEndpoints: number
  /** So many calls in an interval are enough. */
  readonly requestVolume: number
}

export interface FailurePercentageOptions extends Enforcement {
  /** An endpoint is an outlier if more of its calls than this failed, in percent. */
  readonly threshold: number
  readonly minimumEndpoints: number
  readonly requestVolume: number
}

/** How the calls of an endpoint ended in the interval. */
export interface Rated<Subject> {
  readonly subject: Subject
  /** From 0 to 1. */
  readonly successRate: number
  /** How many there were. @param enough how many are asked for */
  volume(enough: number): number
}

export interface Outlier<Subject> {
  readonly subject: Subject
  readonly successRate: number
  readonly why: string
}

/** @returns the worst first */
export function bySuccessRate<Subject>(
  all: readonly Rated<Subject>[],
  { stdevFactor, minimumEndpoints, requestVolume }: SuccessRateOptions,
): Outlier<Subject>[] {
  const judged = all.filter(rated => rated.volume(requestVolume) >= requestVolume)
  if (judged.length < minimumEndpoints || judged.length === 0) return []
  const mean = judged.reduce((sum, { successRate }) => sum + successRate, 0) / judged.length
  const variance = judged.reduce((sum, { successRate }) => sum + (successRate - mean) ** 2, 0) / judged.length
  const least = mean - stdevFactor * Math.sqrt(variance)
  return worstFirst(judged.filter(({ successRate }) => successRate < least)).map(({ subject, successRate }) => ({
    subject,
    successRate,
    why: `${percent(successRate)} of its calls succeeded, and ${percent(mean)} on average of all endpoints`,
  }))
}

/** @returns the worst first */
export function byFailurePercentage<Subject>(
  all: readonly Rated<Subject>[],
  { threshold, minimumEndpoints, requestVolume }: FailurePercentageOptions,
): Outlier<Subject>[] {
  const judged = all.filter(rated => rated.volume(requestVolume) >= requestVolume)
  if (judged.length < minimumEndpoints) return []
  const outliers = judged.filter(({ successRate }) => 100 * (1 - successRate) > threshold)
  return worstFirst(outliers).map(({ subject, successRate }) => ({
    subject,
    successRate,
    why: `${percent(1 - successRate)} of its calls failed`,
  }))
}

function worstFirst<Subject>(outliers: Rated<Subject>[]): Rated<Subject>[] {
  return outliers.sort((one, other) => one.successRate - other.successRate)
}

function percent(part: number): string {
  return `${Math.round(part * 1_000) / 10} %`
}
