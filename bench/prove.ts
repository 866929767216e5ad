/**
 * The suite proves itself: it must report what is known beforehand. `npm run bench:prove` takes a few minutes, on a
 * machine where nothing else runs. The exit code is 1 when something is not as it must be.
 */
import { leaveNothingBehind, moveTo } from './measure/child.ts'
import { median, spread } from './measure/statistics.ts'
import { Progress } from './report/progress.ts'
import type { RunRecord } from './report/record.ts'
import { disturbanceText } from './report/rows.ts'
import { differences, differenceText } from './report/verdicts.ts'
import { artificial, busy, dropper, dropperBase } from './subjects/artificial.ts'
import type { Contender } from './subjects/contender.ts'
import { PAIRS, verbatim } from './subjects/verbatim.ts'
import { catalogue, select } from './suite/catalogue.ts'
import { type Course, runCourse, totalSteps } from './suite/course.ts'
import { describeMachine, nodeVersion, revision, shortcomings } from './suite/machine.ts'
import { P50, unitMetrics } from './suite/metrics.ts'
import { connections } from './suite/open-loop.ts'
import type { Scenario } from './suite/scenario.ts'
import { type Sources, versionOf } from './suite/sources.ts'
import { exitCodeOf, parsed } from './suite/usage.ts'
import { COUNTS_WORK } from './suite/work.ts'

const PACE = { seconds: 1, warmUpSeconds: 1 }
const ROUNDS = 7
/** There are more here, because to show no difference is easy where few rounds could have shown one. */
const SAME_ROUNDS = 10
/** A rate so low that no call waits for another. */
const LOW_RATE = 500
const CPU_US = 50
const DELAY_US = 1_000
const TOLERANCE = 0.1

/** The same as `busy`, once without the CPU time and once without the delay, so that each is the only difference. */
const delayed = artificial('delayed', 'frames and 1 ms of delay a call', { cpuUs: 0, delayMs: DELAY_US / 1_000 })
const burning = artificial('burning', 'frames and 50 µs of CPU a call', { cpuUs: CPU_US, delayMs: 0 })

const LOADS: readonly Sources['load'][] = ['own', 'h2load']

const CPU = unitMetrics('call').cpu

interface Evidence {
  readonly text: string
  readonly ok: boolean
}

const HELP = `npm run bench:prove: a few minutes, on a machine where nothing else runs; it takes no options`
const all = catalogue({ load: 'own', backend: 'own' })
const world = select(all, ['m10'])[0]!.world
const lowRate = connections({ name: 'low-rate', world, connections: 10, rate: LOW_RATE })
const progress = new Progress()

process.exitCode = await exitCodeOf(() => main(process.argv.slice(2)), HELP)

async function main(args: readonly string[]): Promise<number> {
  const { values } = parsed({ args: [...args], options: { help: { type: 'boolean', default: false } } })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  leaveNothingBehind()
  moveTo(1)
  console.log(`Node ${nodeVersion()}; our own backend, and our own load unless another is named`)
  for (const { what, why } of shortcomings(false)) console.log(`${what}: ${why}`)
  const evidence: Evidence[] = []
  if (COUNTS_WORK) evidence.push(await provesCpu())
  else evidence.push({ text: 'the CPU of a call cannot be counted on this machine', ok: false })
  evidence.push(await provesDelay())
  for (const load of LOADS) {
    if (load === 'own' || versionOf(load) !== undefined) evidence.push(await provesFailure(load))
  }
  evidence.push(await provesSameness())
  progress.end()
  for (const { text, ok } of evidence) console.log(`${ok ? 'ok    ' : 'NOT OK'} ${text}`)
  return evidence.every(({ ok }) => ok) ? 0 : 1
}

async function provesCpu(): Promise<Evidence> {
  const run = await measure(select(all, ['m10']), [delayed, busy], ROUNDS)
  return addedText(run, CPU.name, CPU_US, `${CPU_US} µs of CPU a call`)
}

async function provesDelay(): Promise<Evidence> {
  const run = await measure([lowRate], [burning, busy], ROUNDS)
  return addedText(run, P50.name, DELAY_US, `${DELAY_US} µs of delay a call`)
}

/** How much more the second has than the first, round by round. */
function addedText(run: RunRecord, metric: string, known: number, text: string): Evidence {
  const [base, more] = run.scenarios[0]!.entries
  const failure = base!.failure ?? more!.failure
  if (failure !== undefined) return { text: `${text}: FAILED: ${failure}`, ok: false }
  const added = more!.samples.map((sample, round) => sample[metric]! - base!.samples[round]![metric]!)
  const { least, most } = spread(added)
  const found = median(added)
  const without = median(base!.samples.map(sample => sample[metric]!))
  const disturbed = disturbanceText(run)
  const rounds = `${least.toFixed(1)} – ${most.toFixed(1)} in ${added.length} rounds`
  return {
    text: `${text}: ${found.toFixed(1)} µs found (${rounds}; ${metric} without it ${without.toFixed(1)})${disturbed === undefined ? '' : `; ${disturbed}`}`,
    ok: Math.abs(found - known) <= known * TOLERANCE,
  }
}

async function provesFailure(load: Sources['load']): Promise<Evidence> {
  const run = await measure(select(catalogue({ load, backend: 'own' }), ['m10']), [dropperBase, dropper], 1)
  const [base, drops] = run.scenarios[0]!.entries
  const ok = base!.failure === undefined && drops!.failure !== undefined && drops!.samples.length === 0
  const said = drops!.failure ?? `${drops!.samples.length} samples as if nothing had happened`
  const beside = base!.failure === undefined ? 'dropping none is measured' : `dropping none FAILED: ${base!.failure}`
  const loaded = load === 'own' ? 'our own load' : load
  return { text: `dropping 1 % of calls is FAILED by ${loaded} (${said}); ${beside}`, ok }
}

async function provesSameness(): Promise<Evidence> {
  const twins = ['one', 'other'].map(name => verbatim(name, PAIRS.frames!))
  const run = await measure(select(all, ['m1', 'm10', 'm100']), twins, SAME_ROUNDS, true)
  const judged = differences(run, 'one', 'other')
  const shown = judged.filter(({ outcome }) => outcome !== undefined)
  const least = Math.min(...judged.map(({ adjustedP }) => adjustedP))
  const text = `frames beside itself: ${shown.length} of ${judged.length} numbers differ (least p, after Holm: ${least.toFixed(2)})`
  const which = shown.map(difference => `\n         ${differenceText(difference)}`).join('')
  return { text: `${text}${which}`, ok: judged.length > 0 && shown.length === 0 }
}

async function measure(
  scenarios: readonly Scenario[],
  contenders: readonly Contender[],
  rounds: number,
  freshProcesses = false,
): Promise<RunRecord> {
  const course: Course = {
    scenarios,
    contenders,
    rounds,
    pace: PACE,
    syscalls: false,
    freshProcesses,
    base: contenders[0]!.name,
    command: 'npm run bench:prove',
    machine: describeMachine(),
    versions: {},
    revision: revision(),
    missing: [],
    leftOut: [],
  }
  progress.begin(totalSteps(course))
  return runCourse(course, { step: text => progress.step(text), scenario: () => {} })
}
