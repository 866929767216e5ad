/**
 * Measures this tree and another revision in turn, and says which differences exceed the noise, and which way.
 * `npm run bench:compare -- REV`
 */
import { numberOf, shellText } from '../src/bench/argument.ts'
import type { Bound } from '../src/bench/bounds.ts'
import { UsageError } from '../src/bench/problem.ts'
import { leaveNothingBehind, moveTo } from './measure/child.ts'
import { checkWritable } from './report/files.ts'
import { Progress } from './report/progress.ts'
import type { RunRecord } from './report/record.ts'
import { leftOutLines } from './report/table.ts'
import { differences, differenceText } from './report/verdicts.ts'
import type { Contender } from './subjects/contender.ts'
import { PAIRS, verbatim } from './subjects/verbatim.ts'
import { audienceOf } from './suite/audience.ts'
import { catalogue, select } from './suite/catalogue.ts'
import { type Course, hasFailed, runCourse, totalSteps } from './suite/course.ts'
import { durationText, estimateSeconds } from './suite/estimate.ts'
import { fieldOf } from './suite/field.ts'
import { describeMachine, nodeVersion, revision, shortcomings } from './suite/machine.ts'
import { listOf, SECONDS } from './suite/options.ts'
import { checkOut } from './suite/revision.ts'
import { chooseSources, versionOf } from './suite/sources.ts'
import { exitCodeOf, parsed, usage } from './suite/usage.ts'

const THIS = 'this'
const SCENARIOS = ['m1', 'm10', 'm100', 'bulk', 'token-m10', 'stream']
/** Fewer show nothing once dozens of numbers are judged together. */
const ROUNDS: Bound = { least: 8, most: 1_000, usual: 10 }
const SHORTEST_NAME = 4

const HELP = `npm run bench:compare -- REV [options]

  REV                   a commit, branch or tag of this repository
  --only A,B            scenarios, or families of them (default: ${SCENARIOS.join(',')}; all: npm run bench -- --list)
  --pair NAME           ${Object.keys(PAIRS).join(', ')} (default: frames)
  --rounds N            at least ${ROUNDS.least} (default ${ROUNDS.usual})
  --seconds N           of one measurement, about (default ${SECONDS.usual})
  --json FILE           all samples
  --fail-on-worse       exit code 1 when something became worse beyond the noise`

interface CompareOptions {
  readonly revision: string
  readonly only: readonly string[]
  readonly pair: string
  readonly rounds: number
  readonly seconds: number
  readonly json: string | undefined
  readonly failOnWorse: boolean
}

process.exitCode = await exitCodeOf(() => main(process.argv.slice(2)), HELP)

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args)
  if (options === undefined) {
    console.log(HELP)
    return 0
  }
  const has = (program: 'h2load' | 'nghttpd'): boolean => versionOf(program) !== undefined
  const scenarios = usage(() => select(catalogue(chooseSources({}, has)), options.only))
  usage(() => checkWritable(options))
  leaveNothingBehind()
  const checkout = checkOut(options.revision)
  try {
    moveTo(1)
    const pair = PAIRS[options.pair]!
    const other = nameOf(options.revision, checkout.commit)
    const contenders = [verbatim(THIS, pair), verbatim(other, pair, checkout.folder)]
    const course = courseOf(args, options, scenarios, contenders, other)
    const seconds = estimateSeconds({ ...course, subjects: () => 2 })
    console.log(`This tree (${course.revision}) compared with ${other} (${checkout.commit}), ${options.pair}`)
    for (const line of leftOutLines(course.leftOut)) console.log(line)
    console.log(`${scenarios.length} scenarios, ${course.rounds} rounds in turn: ${durationText(seconds)}`)
    const progress = new Progress()
    progress.begin(totalSteps(course))
    const run = await runCourse(course, audienceOf(progress, course.base, options.json))
    progress.end()
    return conclude(run, other, options)
  } finally {
    checkout.remove()
  }
}

/** Prints the verdicts. @returns the exit code */
function conclude(run: RunRecord, other: string, { failOnWorse }: CompareOptions): number {
  const all = differences(run, THIS, other)
  const shown = all.filter(({ outcome }) => outcome !== undefined)
  console.log(
    `\nFrom ${other} to this tree; rank test of Mann and Whitney, ${all.length} numbers judged together (Holm)`,
  )
  console.log(all.map(difference => `  ${differenceText(difference)}`).join('\n'))
  const worse = shown.filter(({ outcome }) => outcome === 'worse')
  const better = shown.length - worse.length
  console.log(`\n${better} better, ${worse.length} worse, ${all.length - shown.length} with no difference shown`)
  if (hasFailed(run)) console.log('A subject FAILED: see above (a revision from before `frames` needs --pair native)')
  return hasFailed(run) || (failOnWorse && worse.length > 0) ? 1 : 0
}

function courseOf(
  args: readonly string[],
  { rounds, seconds }: CompareOptions,
  scenarios: Course['scenarios'],
  all: readonly Contender[],
  base: string,
): Course {
  const { taking, missing, versions } = fieldOf(all, [])
  return {
    scenarios,
    contenders: taking,
    rounds,
    pace: { seconds, warmUpSeconds: seconds },
    syscalls: false,
    freshProcesses: true,
    base,
    command: shellText(['npm', 'run', 'bench:compare', '--', ...args]),
    machine: describeMachine(),
    versions: { node: nodeVersion(), ...versions },
    revision: revision(),
    missing,
    leftOut: shortcomings(false),
  }
}

/** @returns undefined where help is asked for @throws UsageError */
function parseOptions(args: readonly string[]): CompareOptions | undefined {
  const { values, positionals } = parsed({
    args: [...args],
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      pair: { type: 'string', default: 'frames' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      json: { type: 'string' },
      'fail-on-worse': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const [revisionName, ...more] = positionals
  if (revisionName === undefined || more.length > 0) throw new UsageError('give one revision: a commit, branch or tag')
  if (PAIRS[values.pair] === undefined) {
    throw new UsageError(`--pair ${values.pair}: there are ${Object.keys(PAIRS).join(', ')}`)
  }
  return {
    revision: revisionName,
    only: values.only === undefined ? SCENARIOS : listOf(values.only),
    pair: values.pair,
    rounds: numberOf('--rounds', values.rounds, ROUNDS, 'rounds', true),
    seconds: numberOf('--seconds', values.seconds, SECONDS, 'seconds'),
    json: values.json,
    failOnWorse: values['fail-on-worse'],
  }
}

/** The name that was asked for, unless it could be mistaken for this tree. */
function nameOf(asked: string, commit: string): string {
  return asked === THIS || !/^[\w.-]+$/.test(asked) || asked.length < SHORTEST_NAME ? commit : asked
}
