/** The arithmetic of gRFC A50, with numbers that were worked out by hand. */
import t from 'tap'
import { byFailurePercentage, bySuccessRate, type Rated } from '../../../src/backend/health/rates.ts'

const SUCCESS_RATE = { stdevFactor: 1.9, minimumEndpoints: 5, requestVolume: 100, enforcementPercent: 100 }
const FAILURE_PERCENTAGE = { threshold: 85, minimumEndpoints: 5, requestVolume: 50, enforcementPercent: 100 }

function rated(successRates: readonly number[], volumes: readonly number[] = []): Rated<number>[] {
  return successRates.map((successRate, subject) => ({ subject, successRate, volume: () => volumes[subject] ?? 1_000 }))
}

const subjects = (outliers: readonly { subject: number }[]) => outliers.map(({ subject }) => subject)

t.test('success rate: so many standard deviations below the mean', async t => {
  // Mean 0.9, standard deviation 0.2: below 0.52.
  t.same(subjects(bySuccessRate(rated([1, 1, 1, 1, 0.5]), SUCCESS_RATE)), [4])
  // Of five the worst is at most two deviations below the mean, so a factor above that finds nobody.
  t.same(bySuccessRate(rated([1, 1, 1, 1, 0]), { ...SUCCESS_RATE, stdevFactor: 2 }), [])
  // Mean 0.75, standard deviation 0.25: nobody is below 0.275.
  t.same(bySuccessRate(rated([1, 1, 1, 0.5, 0.5, 0.5]), SUCCESS_RATE), [], 'half of them are no outliers')
  t.same(bySuccessRate(rated([0, 0, 0, 0, 0]), SUCCESS_RATE), [], 'nor are all')
  t.same(bySuccessRate(rated([1, 1, 1, 1, 1]), SUCCESS_RATE), [])
})

t.test('success rate: the worst come first, with a sentence', async t => {
  const many = [...new Array<number>(18).fill(1), 0.2, 0.1]
  const outliers = bySuccessRate(rated(many), SUCCESS_RATE)
  t.same(subjects(outliers), [19, 18])
  t.equal(outliers[0]!.why, '10 % of its calls succeeded, and 91.5 % on average of all endpoints')
})

t.test('success rate: who has too few calls is not judged, and does not count among those that are', async t => {
  t.same(bySuccessRate(rated([1, 1, 1, 1, 0.1], [1_000, 1_000, 1_000, 1_000, 99]), SUCCESS_RATE), [])
  t.same(bySuccessRate(rated([1, 1, 1, 1, 0.1, 1], [99, 1_000, 1_000, 1_000, 1_000, 99]), SUCCESS_RATE), [])
  t.same(subjects(bySuccessRate(rated([1, 1, 1, 1, 0.1], [100, 100, 100, 100, 100]), SUCCESS_RATE)), [4])
})

t.test('failure percentage: above a number, whatever the others do', async t => {
  t.same(subjects(byFailurePercentage(rated([1, 1, 1, 1, 0.14]), FAILURE_PERCENTAGE)), [4])
  t.same(byFailurePercentage(rated([1, 1, 1, 1, 0.15]), FAILURE_PERCENTAGE), [], 'exactly the number is not above it')
  t.same(subjects(byFailurePercentage(rated([0.1, 0, 0, 0.05, 0]), FAILURE_PERCENTAGE)), [1, 2, 4, 3, 0])
  t.same(byFailurePercentage(rated([1, 1, 1, 0]), FAILURE_PERCENTAGE), [], 'too few endpoints')
  t.same(byFailurePercentage(rated([1, 1, 1, 1, 0], [50, 50, 50, 50, 49]), FAILURE_PERCENTAGE), [], 'too few calls')
  t.equal(byFailurePercentage(rated([1, 1, 1, 1, 0]), FAILURE_PERCENTAGE)[0]!.why, '100 % of its calls failed')
})
