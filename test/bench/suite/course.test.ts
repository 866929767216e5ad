import t from 'tap'
import type { RunRecord } from '../../../bench/report/record.ts'
import { type Course, runCourse } from '../../../bench/suite/course.ts'
import { CPU, fakeContender, fakeScenario, fakeWorlds } from './fakes.ts'

t.test('what was measured is handed on after each scenario, before the next can fail', async t => {
  const diary = { happened: [] as string[] }
  const scenario = (name: string, backends: number) =>
    fakeScenario(diary, () => ({ [CPU.name]: 1 }), { name, world: { backends, tls: false } })
  const open = fakeWorlds(diary)
  const course: Course = {
    scenarios: [scenario('first', 1), scenario('second', 1), scenario('third', 3)],
    contenders: [fakeContender('A', diary)],
    rounds: 1,
    pace: { seconds: 1, warmUpSeconds: 1 },
    syscalls: false,
    base: 'A',
    command: 'a test',
    machine: { cpu: '', cores: 2, memoryBytes: 1, system: '', pinned: true },
    versions: {},
    revision: undefined,
    missing: [],
    leftOut: [],
  }
  const kept: RunRecord[] = []
  const audience = { step: () => {}, scenario: (_: unknown, soFar: RunRecord) => void kept.push(soFar) }
  const run = runCourse(course, audience, options => {
    if (options.backends === 3) throw new Error('a backend does not listen')
    return open(options)
  })
  await t.rejects(run, { message: 'a backend does not listen' })
  t.strictSame(
    kept.map(({ scenarios }) => scenarios.map(({ name }) => name)),
    [['first'], ['first', 'second']],
  )
  t.strictSame(kept[1]!.scenarios[0]!.entries[0]!.samples, [{ [CPU.name]: 1 }])
})
