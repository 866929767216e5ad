/** Against what R 4.2 says (wilcox.test, qwilcox), and against all ways counted one by one. */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { mannWhitney, ratioOf, shiftOf, smallestP } from '../../../bench/measure/mann-whitney.ts'

/** Hollander & Wolfe (1973), 69f: the example of R's manual; W = 35, p = 0.1272 one-sided. */
const PERMEABILITY = {
  term: [0.8, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46],
  early: [1.15, 0.88, 0.9, 0.74, 1.21],
}

/** Ozone in May and in August, from R's `airquality`: the manual's example with ties; W = 127.5, p = 0.0001208. */
const OZONE = {
  may: [41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37],
  august: [39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85],
}

t.test('few values without ties: the exact distribution', async t => {
  const { u, p, exact } = mannWhitney(PERMEABILITY.term, PERMEABILITY.early)
  t.equal(u, 35)
  t.ok(exact)
  near(t, p, 0.254412254412)
  const apart = mannWhitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])
  t.equal(apart.u, 0)
  near(t, apart.p, 2 / 252)
  near(t, mannWhitney([1, 2, 3], [4, 5, 6]).p, 0.1)
})

t.test('few values with ties: the same count, on mean ranks', async t => {
  const [a, b] = [
    [1, 2, 2, 3, 5],
    [2, 4, 4, 5, 6],
  ]
  const { u, p } = mannWhitney(a!, b!)
  t.equal(u, 5.5)
  // 46 of 252 ways are as far from the middle.
  near(t, p, 46 / 252)
  t.equal(mannWhitney([7, 7, 7, 7], [7, 7, 7]).p, 1, 'nothing but ties shows nothing')
})

t.test('many values: the normal approximation, corrected for ties and continuity', async t => {
  const { u, p, exact } = mannWhitney(OZONE.may, OZONE.august)
  t.equal(u, 127.5)
  t.notOk(exact)
  near(t, p, 0.000120807830769)
  t.equal(mannWhitney(new Array(30).fill(1), new Array(30).fill(1)).p, 1)
})

t.test('the interval is that of the test', async t => {
  const few = shiftOf(PERMEABILITY.term, PERMEABILITY.early)
  near(t, few.estimate, 0.305)
  near(t, few.least, -0.15)
  near(t, few.most, 0.76)
  near(t, few.coverage, 1 - (2 * 60) / 3003, 'at least what was asked: 60 of 3,003 ways have U < 9')
  const many = shiftOf(OZONE.may, OZONE.august)
  t.same(many, { estimate: -32, least: -53, most: -15, coverage: 0.95 })
})

t.test('with few rounds the interval is the whole range, and says what it is worth', async t => {
  const ofSize = (size: number) => {
    const values = Array.from({ length: size }, (_, i) => i)
    return shiftOf(
      values,
      values.map(value => value + 100),
    )
  }
  t.match(ofSize(3), { least: -102, most: -98, coverage: 1 - 2 / 20 })
  t.match(ofSize(4), { least: -103, most: -97, coverage: 1 - 2 / 70 })
  near(t, ofSize(5).coverage, 0.968254, 'qwilcox(0.025, 5, 5) is 3', 6)
  near(t, ofSize(8).coverage, 0.9501166, 'qwilcox(0.025, 8, 8) is 14', 6)
  t.equal(shiftOf([3], [1]).coverage, 0, 'one value each: nothing is sure')
})

t.test('ratios are the same thing on logarithms', async t => {
  const ratio = ratioOf([20, 22, 24, 26], [10, 11, 12, 13])!
  near(t, ratio.estimate, 2, 'near the middle', 1)
  near(t, ratio.least, 20 / 13)
  near(t, ratio.most, 26 / 10)
  t.equal(ratioOf([1, 2, 0], [1, 2, 3]), undefined, 'nothing is divided by what is not above zero')
})

t.test('the least p-value that there can be', async t => {
  near(t, smallestP(3, 3), 0.1)
  near(t, smallestP(4, 4), 2 / 70)
  near(t, smallestP(5, 5), 2 / 252)
  near(t, smallestP(7, 7), 0.0005827505827506)
  near(t, smallestP(2, 4), 2 / 15)
  t.ok(smallestP(30, 30) < 1e-9)
})

t.test('what has no rank is refused', async t => {
  t.throws(() => mannWhitney([], [1]), { message: 'an empty sample compares with nothing' })
  t.throws(() => mannWhitney([1], [Number.NaN]), { message: 'NaN has no rank' })
  t.throws(() => shiftOf([1, Number.POSITIVE_INFINITY], [1]), RangeError)
})

const sample = (max = 7) => fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: max })

t.test('always: as many ways as counted one by one', async () => {
  fc.assert(
    fc.property(sample(5), sample(5), (a, b) => Math.abs(mannWhitney(a, b).p - counted(a, b)) < 1e-9),
    { numRuns: 300 },
  )
})

t.test('always: exchanging the samples turns the result around', async () => {
  fc.assert(
    fc.property(sample(30), sample(30), (a, b) => {
      const [one, other] = [mannWhitney(a, b), mannWhitney(b, a)]
      const [shift, back] = [shiftOf(a, b), shiftOf(b, a)]
      return (
        Math.abs(one.p - other.p) < 1e-9 &&
        one.u + other.u === a.length * b.length &&
        shift.estimate === 0 - back.estimate &&
        shift.least === 0 - back.most &&
        shift.least <= shift.estimate &&
        shift.estimate <= shift.most
      )
    }),
  )
})

t.test('always: only the order counts, and p is a probability not below the least', async () => {
  fc.assert(
    fc.property(sample(), sample(), (a, b) => {
      const { p } = mannWhitney(a, b)
      const stretched = mannWhitney(
        a.map(value => value ** 3),
        b.map(value => value ** 3),
      )
      return stretched.p === p && p <= 1 && p >= smallestP(a.length, b.length) - 1e-12
    }),
  )
})

/** All subsets of the values, one by one: a pair that is won counts one, a tie a half. */
function counted(a: readonly number[], b: readonly number[]): number {
  const values = [...a, ...b]
  const wins = (mask: number): number => {
    let u = 0
    for (const [i, x] of values.entries()) {
      if ((mask & (1 << i)) === 0) continue
      for (const [j, y] of values.entries()) if ((mask & (1 << j)) === 0) u += x > y ? 1 : x === y ? 0.5 : 0
    }
    return u
  }
  const observed = wins((1 << a.length) - 1)
  let [below, above, all] = [0, 0, 0]
  for (let mask = 0; mask < 1 << values.length; mask++) {
    if (mask.toString(2).replaceAll('0', '').length !== a.length) continue
    const u = wins(mask)
    all++
    if (u <= observed) below++
    if (u >= observed) above++
  }
  return Math.min(1, (2 * Math.min(below, above)) / all)
}

function near(t: Test, actual: number, expected: number, message = '', digits = 10): void {
  t.equal(actual.toFixed(digits), expected.toFixed(digits), message)
}
