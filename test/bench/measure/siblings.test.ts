import t from 'tap'
import { parseCpuList, siblingsOf } from '../../../bench/measure/siblings.ts'
import { shortcomings } from '../../../bench/suite/machine.ts'

t.test('lists of processors', async t => {
  t.same(parseCpuList('0\n'), [0])
  t.same(parseCpuList('0,64\n'), [0, 64])
  t.same(parseCpuList('0-1\n'), [0, 1])
  t.same(parseCpuList('0-2,8,10-11\n'), [0, 1, 2, 8, 10, 11])
})

t.test('threads of a core; a kernel that does not say has one each', async t => {
  const folder = t.testdir({ cpu0: { topology: { thread_siblings_list: '0-1\n' } } })
  t.same(siblingsOf(0, folder), [0, 1])
  t.same(siblingsOf(1, folder), [1])
})

t.test('a report says when subject and load are threads of one core', async t => {
  const of = (siblings: readonly number[]) =>
    shortcomings(false, { pins: true, siblings }).map(({ what, why }) => `${what}: ${why}`)
  t.match(of([0, 1]), [/^a core for the subject alone: processors 0 and 1 are two threads of one core/])
  t.same(of([0, 64]), [])
  t.same(of([0]), [])
  t.match(
    shortcomings(false, { pins: false, siblings: [0, 1] }).map(({ why }) => why),
    [/one core|taskset/],
    'it is said once',
  )
})
