import t from 'tap'
import type { Metric, RunRecord, Sample } from '../../../bench/report/record.ts'
import { differences, differenceText } from '../../../bench/report/verdicts.ts'
import { addedLatency } from '../../../bench/suite/closed-loop.ts'
import { measureOf } from '../../../bench/suite/open-loop.ts'
import type { Target } from '../../../bench/suite/scenario.ts'
import { parseSyscalls } from '../../../bench/suite/syscalls.ts'

const CPU: Metric = { name: 'CPU a call', unit: 'µs', digits: 1, better: 'less' }
const RATE: Metric = { name: 'calls/s', unit: '/s', digits: 0, better: 'more' }
const USER: Metric = { name: 'user a call', unit: 'µs', digits: 1, better: 'less' }
const BUSY: Metric = { name: 'busy', unit: '%', digits: 0 }

function recordOf(samples: Readonly<Record<string, readonly Sample[]>>): RunRecord {
  const entries = Object.entries(samples).map(([subject, of]) => ({ subject, samples: of }))
  const scenario = { name: 'm10', title: '', metrics: [CPU, RATE, USER, BUSY], entries }
  return { scenarios: [scenario] } as unknown as RunRecord
}

/** Ten rounds that lie around a value, none equal to another's. */
function around(value: number, shift: number): number[] {
  return Array.from({ length: 10 }, (_, i) => value + i * 0.01 + shift)
}

t.test('a difference beyond the noise has a way: less of what should be less is better', async t => {
  const of = (cpu: number, rate: number, shift: number): Sample[] =>
    around(cpu, shift).map((value, i) => ({
      [CPU.name]: value,
      [RATE.name]: around(rate, shift)[i]!,
      [USER.name]: value,
      [BUSY.name]: value,
    }))
  const found = differences(recordOf({ this: of(8, 90, 0), before: of(10, 100, 0.005) }), 'this', 'before')
  t.strictSame(
    found.map(({ metric, verdict, outcome }) => [metric.name, verdict, outcome]),
    [
      ['CPU a call', 'less', 'better'],
      ['calls/s', 'less', 'worse'],
    ],
    'parts of others and what has no direction are not judged',
  )
  t.match(differenceText(found[0]!), /^m10 +CPU a call: 10\.1 → 8\.0 µs, × 0\.8\d\d \(.*\), p < 0\.001: better$/)
})

t.test('noise is no difference', async t => {
  const samples = (shift: number): Sample[] => around(8, shift).map(value => ({ [CPU.name]: value }))
  const [found] = differences(recordOf({ this: samples(0), before: samples(0.005) }), 'this', 'before')
  t.equal(found!.verdict, 'no difference shown')
  t.equal(found!.outcome, undefined)
  t.match(differenceText(found!), /no difference shown$/)
})

t.test('a subject without samples is compared with nothing', async t => {
  t.strictSame(differences(recordOf({ this: [{ [CPU.name]: 1 }], before: [] }), 'this', 'before'), [])
})

t.test('added latency is a difference where both have it', async t => {
  t.strictSame(addedLatency({ p50: 120, p99: 900 }, { p50: 100, p99: 950 }), { 'added p50': 20, 'added p99': -50 })
  t.strictSame(addedLatency({ p50: 120 }, {}), {})
})

t.test('the rate is of nghttpx where it takes part, else of the slowest proxy', async t => {
  const loads: Record<string, number> = { direct: 1, nghttpx: 80, frames: 60, native: 10 }
  const target = (name: string): Target =>
    ({ name, proxy: { port: 1, child: name === 'direct' ? undefined : {} } }) as Target
  const full = async ({ name }: Target): Promise<number> => {
    if (name === 'dropper') throw new Error('a call failed')
    return loads[name]!
  }
  const of = (kind: 'reference' | 'slowest', ...names: string[]) => measureOf(kind, names.map(target), full)
  t.strictSame(await of('reference', 'direct', 'nghttpx', 'native'), { name: 'nghttpx', callsPerSecond: 80 })
  t.strictSame(await of('reference', 'direct', 'frames', 'native'), { name: 'native', callsPerSecond: 10 })
  const failing = (one: Target): Promise<number> =>
    one.name === 'nghttpx' ? Promise.reject(new Error('a call failed')) : full(one)
  t.strictSame(
    await measureOf('reference', ['direct', 'nghttpx', 'frames', 'native'].map(target), failing),
    { name: 'native', callsPerSecond: 10 },
    'where nghttpx fails, the others have a rate nevertheless',
  )
  t.strictSame(await of('slowest', 'direct', 'nghttpx', 'frames', 'dropper'), { name: 'frames', callsPerSecond: 60 })
  t.strictSame(await of('slowest', 'direct'), { name: 'direct', callsPerSecond: 1 })
  await t.rejects(of('slowest', 'dropper'), /there is no subject/)
})

t.test('the total of strace -c, with a column of errors and without', async t => {
  const head = '% time     seconds  usecs/call     calls    errors syscall\n------ ----------- -----------\n'
  t.equal(parseSyscalls(`${head}100.00    0.000338           3       109        14 total\n`), 109)
  t.equal(parseSyscalls(`${head}100.00    0.000338                   109           total\n`), 109)
  t.throws(() => parseSyscalls(''), { message: /strace said: nothing/ })
})
