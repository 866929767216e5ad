/** A whole run: the subjects and scenarios that take part, reported as it goes and kept as a record. */
import type { Machine, RunRecord, ScenarioRecord, SubjectRecord } from '../report/record.ts'
import { kindByName } from '../report/rows.ts'
import type { Contender } from '../subjects/contender.ts'
import { type ContestOptions, contest, recordOf, stepsOf } from './contest.ts'
import type { Pace, Scenario } from './scenario.ts'

export interface Course {
  readonly scenarios: readonly Scenario[]
  readonly contenders: readonly Contender[]
  readonly rounds: number
  readonly pace: Pace
  readonly syscalls: boolean
  readonly freshProcesses?: boolean
  readonly base: string
  /** The command that repeats it. */
  readonly command: string
  readonly machine: Machine
  readonly versions: RunRecord['versions']
  readonly revision: string | undefined
  readonly missing: RunRecord['missing']
  /** What is known before it begins. */
  readonly leftOut: RunRecord['leftOut']
}

export interface Audience {
  /** It is called before each of `totalSteps`. */
  readonly step: (text: string) => void
  /**
   * It is called after each. @param soFar the run as if it ended here, so that it can be kept whatever happens later
   */
  readonly scenario: (record: ScenarioRecord, soFar: RunRecord) => void
}

export function totalSteps(course: Course): number {
  return course.scenarios.reduce((sum, scenario) => sum + stepsOf(scenario, course.contenders.length, course), 0)
}

export async function runCourse(
  course: Course,
  audience: Audience,
  openWorld?: ContestOptions['openWorld'],
): Promise<RunRecord> {
  const date = new Date().toISOString()
  const { rounds, pace, syscalls, freshProcesses } = course
  const records = new Map<string, ScenarioRecord>()
  const leftOut = [...course.leftOut]
  const options = { rounds, pace, syscalls, freshProcesses, progress: audience.step, openWorld }
  for await (const result of contest(course.scenarios, course.contenders, options)) {
    const record = recordOf(result)
    records.set(record.name, record)
    for (const { subject, why } of result.leftOut) leftOut.push({ what: `${subject} in ${record.name}`, why })
    audience.scenario(record, runOf(course, date, records, leftOut))
  }
  return runOf(course, date, records, leftOut)
}

function runOf(
  course: Course,
  date: string,
  records: ReadonlyMap<string, ScenarioRecord>,
  leftOut: RunRecord['leftOut'],
): RunRecord {
  return {
    format: 1,
    date,
    command: course.command,
    machine: course.machine,
    versions: course.versions,
    revision: course.revision,
    missing: course.missing,
    leftOut: joined(leftOut),
    rounds: course.rounds,
    seconds: course.pace.seconds,
    base: course.base,
    subjects: course.contenders.map(subjectOf),
    // Scenarios in one world were measured together; the report has its own order.
    scenarios: course.scenarios.flatMap(({ name }) => records.get(name) ?? []),
  }
}

/** The same reason for the same subject in many scenarios appears once. */
function joined(leftOut: RunRecord['leftOut']): RunRecord['leftOut'] {
  const found = Map.groupBy(leftOut, ({ what, why }) => `${what.split(' in ')[0]}\n${why}`)
  return [...found.values()].map(same => {
    const [first, ...others] = same
    return {
      what: [first!.what, ...others.map(({ what }) => what.split(' in ')[1] ?? what)].join(', '),
      why: first!.why,
    }
  })
}

function subjectOf({ name, title, routed }: Contender): SubjectRecord {
  return { name, title, kind: routed === true ? 'ours' : kindByName(name) }
}

/** Whether a subject failed, for the exit code. */
export function hasFailed({ scenarios }: RunRecord): boolean {
  return scenarios.some(({ entries }) => entries.some(({ failure }) => failure !== undefined))
}
