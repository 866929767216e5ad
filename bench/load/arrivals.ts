/** The times at which the calls of an open loop begin. They are drawn beforehand, and are the same in each run. */
import { exponentialGapMs, seededRandom } from '../../src/bench/random.ts'

const SEED = 2
/** Each is kept as eight bytes. */
const MAX_CALLS = 20_000_000

/** Milliseconds from the start, ascending. @throws RangeError for a rate or a time that is not possible */
export function arrivals(ratePerSecond: number, seconds: number): Float64Array {
  if (!(ratePerSecond > 0 && seconds > 0 && ratePerSecond * seconds <= MAX_CALLS)) {
    throw new RangeError(`${ratePerSecond} calls a second for ${seconds} s: above 0, and at most ${MAX_CALLS} calls`)
  }
  const random = seededRandom(SEED)
  const times: number[] = []
  for (let at = exponentialGapMs(random, ratePerSecond); at < seconds * 1_000; ) {
    times.push(at)
    at += exponentialGapMs(random, ratePerSecond)
  }
  return Float64Array.from(times)
}
