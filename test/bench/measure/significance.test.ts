import fc from 'fast-check'
import t from 'tap'
import { compare, compareAll, falseDiscovery, holm, type Pair } from '../../../bench/measure/significance.ts'

const LOW = [10, 11, 12, 13, 14]
const HIGH = [20, 21, 22, 23, 24]

t.test('a verdict says which is less, by how much, and how sure that is', async t => {
  const { verdict, p, ratio, difference } = compare(LOW, HIGH)
  t.equal(verdict, 'less')
  t.equal(p.toFixed(6), '0.007937')
  t.equal(difference.estimate, -10)
  t.equal(ratio!.estimate.toFixed(3), (12 / 22).toFixed(3))
  t.ok(ratio!.least < ratio!.estimate && ratio!.estimate < ratio!.most)
  t.equal(compare(HIGH, LOW).verdict, 'more')
})

t.test('overlapping rounds show no difference, and that is all they show', async t => {
  t.equal(compare([10, 12, 14, 16, 18], [11, 13, 15, 17, 19]).verdict, 'no difference shown')
  t.equal(compare(LOW, LOW).verdict, 'no difference shown')
})

t.test('where no values could show a difference, there are not enough rounds', async t => {
  t.match(compare([1, 2, 3], [1001, 1002, 1003]), { p: 0.1, verdict: 'not enough rounds' })
  t.equal(compare([1, 2, 3, 4], [1001, 1002, 1003, 1004]).verdict, 'less', 'four and four: 0.029')
  t.equal(compare([1], [2]).verdict, 'not enough rounds')
  t.equal(compare([1, 1, 1], [2, 2, 2]).verdict, 'not enough rounds', 'nor do ties make three rounds enough')
})

t.test('what is below zero has a difference, but no ratio', async t => {
  const { ratio, difference, verdict } = compare([-5, -4, -3, -2, -1], LOW)
  t.equal(ratio, undefined)
  t.equal(difference.estimate, -15)
  t.equal(verdict, 'less')
})

/** As R's p.adjust says. */
const PS = [0.01, 0.04, 0.03, 0.005]
const MORE_PS = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205]

t.test('many at once: Holm', async t => {
  t.same(rounded(holm(PS)), [0.03, 0.06, 0.06, 0.02])
  t.same(rounded(holm(MORE_PS)), [0.008, 0.056, 0.234, 0.234, 0.234, 0.234, 0.234, 0.234])
  t.same(holm([0.4]), [0.4])
  t.same(holm([0.6, 0.7]), [1, 1])
  t.same(holm([]), [])
})

t.test('many at once: Benjamini and Hochberg', async t => {
  t.same(rounded(falseDiscovery(PS)), [0.02, 0.04, 0.04, 0.02])
  t.same(rounded(falseDiscovery(MORE_PS)), [0.008, 0.032, 0.0672, 0.0672, 0.0672, 0.08, 0.084571, 0.205])
  t.same(falseDiscovery([]), [])
})

t.test('seven pairs of five rounds: too many for Holm, and it says so; ten rounds are enough', async t => {
  const apart: Pair = { first: LOW, second: HIGH }
  const verdicts = (pairs: Pair[], adjust = holm) => new Set(compareAll(pairs, adjust).map(({ verdict }) => verdict))
  t.same(verdicts(new Array(6).fill(apart)), new Set(['less']))
  t.same(verdicts(new Array(7).fill(apart)), new Set(['not enough rounds']))
  t.same(verdicts(new Array(7).fill(apart), falseDiscovery), new Set(['less']))
  const ten: Pair = { first: [...LOW, 15, 16, 17, 18, 19], second: [...HIGH, 25, 26, 27, 28, 29] }
  t.same(verdicts(new Array(1_000).fill(ten)), new Set(['less']))
})

t.test('always: correction keeps the order and makes nothing more certain; Holm is the stricter', async () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }), ps => {
      const [strict, mild] = [holm(ps), falseDiscovery(ps)]
      return ps.every(
        (p, i) =>
          p <= mild[i]! + 1e-12 &&
          mild[i]! <= strict[i]! + 1e-12 &&
          strict[i]! <= 1 &&
          ps.every((q, j) => p > q || (strict[i]! <= strict[j]! && mild[i]! <= mild[j]!)),
      )
    }),
  )
})

t.test('two runs of the same thing: hardly ever a difference', async t => {
  // A generator of its own: the same numbers each time, so that this test cannot fail by chance.
  let state = 42
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const runs = 1_000
  let claimed = 0
  for (let i = 0; i < runs; i++) {
    const rounds = () => Array.from({ length: 5 }, () => 10 + random())
    if (compare(rounds(), rounds()).verdict !== 'no difference shown') claimed++
  }
  t.ok(claimed / runs <= 0.05, `${claimed} of ${runs}`)
  t.ok(claimed > 0, 'and it is a test that can find one')
})

function rounded(values: readonly number[]): number[] {
  return values.map(value => Number(value.toFixed(6)))
}
