/**
 * Measures what a proxy costs: subjects in turn in one run, each alone on one core. See `npm run bench -- --help`; the
 * method is in README.md.
 */
import { shellText } from '../src/bench/argument.ts'
import { leaveNothingBehind, moveTo } from './measure/child.ts'
import { checkWritable, writeReport } from './report/files.ts'
import { Progress } from './report/progress.ts'
import { leftOutLines, missingLines, summaryOf } from './report/table.ts'
import { CONTENDERS } from './subjects/all.ts'
import { BALANCED } from './subjects/balancers.ts'
import type { Contender } from './subjects/contender.ts'
import { OBSERVED_ONES } from './subjects/observed.ts'
import { TREATED } from './subjects/treated.ts'
import { verbatim } from './subjects/verbatim.ts'
import { audienceOf } from './suite/audience.ts'
import { catalogue, select } from './suite/catalogue.ts'
import { type Course, hasFailed, runCourse, totalSteps } from './suite/course.ts'
import { durationText, estimateSeconds } from './suite/estimate.ts'
import { baseOf, type Field, fieldOf } from './suite/field.ts'
import { describeMachine, nodeVersion, revision, shortcomings } from './suite/machine.ts'
import { HELP, isShort, NOT_SHORT, parseRunOptions, type RunOptions } from './suite/options.ts'
import type { Scenario } from './suite/scenario.ts'
import { chooseSources, SOURCE_INSTALLS, type SourceProgram, versionOf } from './suite/sources.ts'
import { canCountSyscalls } from './suite/syscalls.ts'
import { exitCodeOf, usage } from './suite/usage.ts'

const PROGRAMS = Object.keys(SOURCE_INSTALLS) as SourceProgram[]

process.exitCode = await exitCodeOf(() => main(process.argv.slice(2)), HELP)

/** @returns the exit code: a subject that failed is a failure, a program that is not installed is not */
async function main(args: readonly string[]): Promise<number> {
  const options = parseRunOptions(args)
  if (options.help) {
    console.log(HELP)
    return 0
  }
  const programs = new Map(PROGRAMS.map(program => [program, versionOf(program)]))
  const field = fieldOf(subjectsOf(options), options.subjects, options.trees.map(treeContender))
  const sources = usage(() => chooseSources(options.sources, program => programs.get(program) !== undefined))
  const all = catalogue(sources)
  const scenarios = usage(() => chosen(all, options))
  if (options.list) {
    console.log(listText(all, field))
    return 0
  }
  if (field.taking.length === 0) {
    console.log(missingLines(field.missing).join('\n'))
    return 0
  }
  usage(() => checkWritable(options))
  leaveNothingBehind()
  moveTo(1)
  const course = courseOf(args, options, scenarios, field, programs)
  console.log(openingText(course))
  const progress = new Progress()
  progress.begin(totalSteps(course))
  const run = await runCourse(course, audienceOf(progress, course.base, options.json))
  progress.end()
  console.log(`\n${summaryOf(run)}\n\nRepeat it: ${run.command}`)
  await writeReport(run, options)
  return hasFailed(run) ? 1 : 0
}

function treeContender({ name, folder, pair }: RunOptions['trees'][number]): Contender {
  return verbatim(name, pair, folder)
}

/** All subjects that can take part. Where none are named there are fewer, and in the short form fewer still. */
function subjectsOf(options: RunOptions): readonly Contender[] {
  if (options.subjects.length > 0 || options.list) return [...CONTENDERS, ...BALANCED, ...OBSERVED_ONES, ...TREATED]
  return isShort(options) ? CONTENDERS.filter(({ name }) => !NOT_SHORT.includes(name)) : CONTENDERS
}

/** What `--only` says; else all in the full form, and the marked ones in the short form. */
function chosen(all: readonly Scenario[], options: RunOptions): Scenario[] {
  return isShort(options) ? all.filter(({ short }) => short === true) : select(all, options.only)
}

function courseOf(
  args: readonly string[],
  options: RunOptions,
  scenarios: readonly Scenario[],
  field: Field,
  programs: ReadonlyMap<SourceProgram, string | undefined>,
): Course {
  const { full, rounds, pace, fresh } = options
  const here = [...programs].flatMap(([name, version]) => (version === undefined ? [] : [[name, version] as const]))
  const absent = PROGRAMS.filter(name => programs.get(name) === undefined)
  return {
    scenarios,
    contenders: field.taking,
    rounds,
    pace,
    syscalls: full && canCountSyscalls(),
    freshProcesses: fresh,
    base: baseOf(field.taking, options.base),
    command: shellText(['npm', 'run', 'bench', ...(args.length === 0 ? [] : ['--', ...args])]),
    machine: describeMachine(),
    versions: { node: nodeVersion(), ...Object.fromEntries(here), ...field.versions },
    revision: revision(),
    missing: [...field.missing, ...absent.map(name => ({ name, install: SOURCE_INSTALLS[name] }))],
    leftOut: [...shortcomings(full), ...notInThisForm(options)],
  }
}

/** It says that there is more than the short form. */
function notInThisForm(options: RunOptions): Course['leftOut'] {
  if (!isShort(options)) return []
  const why = 'this is the short form: npm run bench:full has all'
  const what = 'most scenarios, and system calls'
  return [{ what: options.subjects.length > 0 ? what : `${what}, and ${NOT_SHORT.join(', ')}`, why }]
}

function openingText(course: Course): string {
  const { scenarios, contenders, rounds, pace, machine, syscalls, freshProcesses } = course
  const taking = (scenario: Scenario): number =>
    contenders.filter(one => (one.unfit?.(scenario.world) ?? scenario.unfit?.(one)) === undefined).length
  const seconds = estimateSeconds({ scenarios, subjects: taking, rounds, pace, syscalls, freshProcesses })
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.system}, Node ${course.versions.node}`,
    machine.pinned ? 'Each subject alone on core 0; load and backend on core 1' : 'NOT PINNED',
    ...missingLines(course.missing),
    ...leftOutLines(course.leftOut),
    `${scenarios.length} scenarios: ${scenarios.map(({ name }) => name).join(', ')}`,
    `${contenders.length} subjects in turn: ${contenders.map(({ name }) => name).join(', ')}`,
    `${rounds} rounds of ${pace.seconds} s: ${durationText(seconds)} in all`,
  ].join('\n')
}

function listText(all: readonly Scenario[], { taking, missing, versions }: Field): string {
  const width = Math.max(...all.map(({ name }) => name.length))
  return [
    'Scenarios (those with * are in the short form)',
    ...all.map(({ name, title, short }) => ` ${short === true ? '*' : ' '} ${name.padEnd(width)}  ${title}`),
    '',
    'Subjects',
    ...taking.map(({ name, title }) => `   ${name.padEnd(width)}  ${title} (${versions[name]})`),
    ...missing.map(({ name, install }) => `   ${name.padEnd(width)}  MISSING: ${install}`),
  ].join('\n')
}
