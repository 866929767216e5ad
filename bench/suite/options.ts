/** The command line of the suite's programs. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { numberOf } from '../../src/bench/argument.ts'
import type { Bound } from '../../src/bench/bounds.ts'
import { UsageError } from '../../src/bench/problem.ts'
import { PAIRS, type Transports } from '../subjects/verbatim.ts'
import type { Pace } from './scenario.ts'
import type { Sources } from './sources.ts'
import { parsed } from './usage.ts'

/** Another checkout of this project as a subject. */
export interface Tree {
  readonly name: string
  readonly folder: string
  readonly pair: Transports
}

export interface RunOptions {
  readonly full: boolean
  /** Names of scenarios or families. Without any, the scenarios of the form. */
  readonly only: readonly string[]
  /** Without any name, all subjects. */
  readonly subjects: readonly string[]
  readonly trees: readonly Tree[]
  readonly base: string | undefined
  readonly rounds: number
  readonly pace: Pace
  /** Each round in a process of its own. */
  readonly fresh: boolean
  readonly sources: Partial<Sources>
  readonly json: string | undefined
  readonly html: string | undefined
  readonly svgFolder: string | undefined
  readonly list: boolean
  readonly help: boolean
}

/** More is a typing mistake, not a measurement. */
const ROUNDS: Bound = { least: 1, most: 1_000, usual: 5 }
export const SECONDS: Bound = { least: 0.01, most: 60, usual: 1 }
const RATE: Bound = { least: 0.01, most: 1_000_000, usual: 0 }
const SHORT_PACE: Pace = { seconds: 0.6, warmUpSeconds: 0.6 }
const FULL_PACE: Pace = { seconds: 2, warmUpSeconds: 2 }

/** Subjects that the short form can do without: another floor, and the less useful of the mixed pairs. */
export const NOT_SHORT: readonly string[] = ['haproxy-tcp', 'frames-native']

/** Whether it is the short form: a choice of scenarios, and of subjects where none are named. */
export function isShort({ full, only }: Pick<RunOptions, 'full' | 'only'>): boolean {
  return !full && only.length === 0
}

export const HELP = `npm run bench -- [options]        a subset, in less than ten minutes
npm run bench:full -- [options]   every scenario, longer measurements, system calls counted

  --list                what can be measured, and what of it is on this machine
  --only A,B            scenarios, or families of them ("tls" is all of tls-…)
  --subjects A,B        default: all that are on this machine but by-…, in the short form without ${NOT_SHORT.join(' and ')}
  --tree NAME=DIR[,PAIR]  this project in another checkout too, on ${Object.keys(PAIRS).join(', ')} (default: frames); may repeat
  --base NAME           whom ratios are against (default: nghttpx, or else frames, or else the first)
  --rounds N            default ${ROUNDS.usual}
  --seconds N           of one measurement, about (default ${SHORT_PACE.seconds}, full ${FULL_PACE.seconds})
  --warm-up N           seconds before a subject's first measurement in a scenario (default ${SHORT_PACE.warmUpSeconds}, full ${FULL_PACE.warmUpSeconds})
  --fresh               each round in a process of its own: for small differences, as two processes of one program differ
  --rate N              calls a second in "latency" (default: half of nghttpx's full load, measured first)
  --load own|h2load     who makes the calls that both can make (default: h2load, where it is)
  --backend own|nghttpd who answers those that both can answer (default: nghttpd, where it is)
  --json FILE           all samples; --html FILE: a page with charts; --svg DIR: the charts alone
  --full                as bench:full`

const OPTIONS = {
  full: { type: 'boolean', default: false },
  only: { type: 'string', default: '' },
  subjects: { type: 'string', default: '' },
  tree: { type: 'string', multiple: true, default: [] as string[] },
  base: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  'warm-up': { type: 'string' },
  rate: { type: 'string' },
  load: { type: 'string' },
  backend: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
  svg: { type: 'string' },
  fresh: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/** @throws UsageError */
export function parseRunOptions(args: readonly string[]): RunOptions {
  const { values } = parsed({ args: [...args], options: OPTIONS, allowPositionals: false })
  const pace = values.full ? FULL_PACE : SHORT_PACE
  return {
    full: values.full,
    only: listOf(values.only),
    subjects: listOf(values.subjects),
    trees: values.tree.map(treeOf),
    base: values.base,
    rounds: numberOf('--rounds', values.rounds, ROUNDS, 'rounds', true),
    pace: {
      seconds: numberOf('--seconds', values.seconds, { ...SECONDS, usual: pace.seconds }, 'seconds'),
      warmUpSeconds: numberOf('--warm-up', values['warm-up'], { ...SECONDS, usual: pace.warmUpSeconds }, 'seconds'),
      rate: values.rate === undefined ? undefined : numberOf('--rate', values.rate, RATE, 'calls a second'),
    },
    fresh: values.fresh,
    sources: {
      load: oneOf('--load', values.load, ['own', 'h2load']),
      backend: oneOf('--backend', values.backend, ['own', 'nghttpd']),
    },
    json: values.json,
    html: values.html,
    svgFolder: values.svg,
    list: values.list,
    help: values.help,
  }
}

export function listOf(text: string): string[] {
  return text.split(',').filter(name => name !== '')
}

function oneOf<Name extends string>(
  option: string,
  text: string | undefined,
  names: readonly Name[],
): Name | undefined {
  const name = names.find(one => one === text)
  if (text !== undefined && name === undefined) throw new UsageError(`${option} ${text}: ${names.join(' or ')}`)
  return name
}

/** `name=/path` or `name=/path,native`. */
function treeOf(text: string): Tree {
  const match = /^([\w.-]+)=([^,]+)(?:,([\w-]+))?$/.exec(text)
  if (match === null) throw new UsageError(`--tree ${text}: NAME=DIR or NAME=DIR,PAIR`)
  const [, name, folder, pairName = 'frames'] = match
  const pair = PAIRS[pairName]
  if (pair === undefined) {
    throw new UsageError(`--tree ${text}: no pair "${pairName}"; there are ${Object.keys(PAIRS).join(', ')}`)
  }
  if (!existsSync(`${folder}/src/cli.ts`)) throw new UsageError(`--tree ${text}: no src/cli.ts in ${folder}`)
  return { name: name!, folder: resolve(folder!), pair }
}
