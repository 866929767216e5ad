/**
 * How calls are divided among the levels of priority, and when endpoints are used in spite of what is said of them.
 * Level 0 has all calls as long as most of it can be used; then the next levels take over in proportion. These are
 * Envoy's rules ("Priority levels", "Panic threshold"), and its numbers.
 *
 * ```
 *   usable of level 0   100 %  72 %  71 %  50 %  25 %  0 %
 *   calls to level 0    100 %  100 % 99 %  70 %  35 %  0 %      the rest goes to level 1
 * ```
 */

/** What there is of a level: sums of weights. */
export interface Level {
  /** Of all its endpoints. More than 0. */
  readonly total: number
  /** Of those that can be used. */
  readonly usable: number
}

export interface LevelShare {
  /** Its part of the calls; all of them together are 1. */
  readonly share: number
  /** All its endpoints are used, whatever is said of them. */
  readonly panics: boolean
}

/**
 * Endpoints have room for so many times the calls that they usually get. So a group is as good as whole until less than
 * 1 / 1.4 = 71.4 % of it is left. Envoy's default ("overprovisioning factor").
 */
export const HEADROOM = 1.4

/**
 * With less than half of its endpoints a level cannot do its work, and who calls that many of them bad may well be wrong.
 * Envoy's default.
 */
export const DEFAULT_PANIC_THRESHOLD = 0.5

/** What can be used is compared in whole percent, as Envoy does. Sums of fractions must not fall below by rounding. */
const ROUNDING = 1e-9

/**
 * @param levels the first one first; at least one
 * @param panicThreshold of a level in which less than this part can be used all endpoints are used. Only where all levels
 * together cannot take all calls: as long as they can, the calls go to what can be used. 0: never
 */
export function levelShares(levels: readonly Level[], panicThreshold: number): LevelShare[] {
  const health = levels.map(healthOf)
  const sum = Math.min(
    100,
    health.reduce((all, percent) => all + percent, 0),
  )
  const panics = levels.map(({ usable, total }) => sum < 100 && usable / total < panicThreshold)
  if (panics.every(Boolean)) return inTotalPanic(levels)
  let left = 1
  return health.map((percent, i) => {
    // Nothing can be used, and nothing else may be.
    const wanted = sum === 0 ? 1 : percent / sum
    const share = Math.min(left, wanted)
    left -= share
    return { share, panics: panics[i]! }
  })
}

/** How much of all calls the level could take, in percent. */
function healthOf({ usable, total }: Level): number {
  return Math.floor(Math.min(100, (100 * HEADROOM * usable) / total) + ROUNDING)
}

/** Nothing is known of any level that would tell it from the others, except how large it is. */
function inTotalPanic(levels: readonly Level[]): LevelShare[] {
  const sum = levels.reduce((all, { total }) => all + total, 0)
  return levels.map(({ total }) => ({ share: total / sum, panics: true }))
}
