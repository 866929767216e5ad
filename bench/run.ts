/**
 * The proxy beside its peers, in turn in one run, each alone on one core: what a call costs, and how
 * that compares. `npm run bench -- --help`; the method is in README.md.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { leaveNothingBehind, moveTo } from './measure/child.ts'
import type { Contender } from './subjects/contender.ts'
import { nghttpx } from './subjects/nghttpx.ts'
import { NODE, PAIRS, verbatim } from './subjects/verbatim.ts'
import { SCENARIOS, select } from './suite/catalogue.ts'
import { contest, type Result } from './suite/contest.ts'
import { DEFAULT_BASE, jsonOf, summaryOf, tableOf } from './suite/report.ts'

const HELP = `npm run bench -- [options]

  --only A,B            scenarios, or families of them: ${SCENARIOS.map(({ name }) => name).join(', ')}
  --subjects A,B        of nghttpx, ${Object.keys(PAIRS).join(', ')} (default: nghttpx,frames,native)
  --tree NAME=DIR[,PAIR]  this project in another checkout too, by default on frames; may repeat
  --base NAME           whom the ratios are against (default: ${DEFAULT_BASE}, or else the first subject)
  --rounds N            default 5
  --seconds N           of one measurement, about (default 4)
  --warm-up N           seconds before a subject's first measurement in a scenario (default 3)
  --rate N              calls a second in "latency" (default: half of nghttpx's full load, measured first)
  --json FILE           all samples`

/** Where each program is found on Debian. */
const PACKAGES = { h2load: 'nghttp2-client', nghttpd: 'nghttp2-server', nghttpx: 'nghttp2-proxy' } as const

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    subjects: { type: 'string', default: 'nghttpx,frames,native' },
    tree: { type: 'string', multiple: true, default: [] },
    base: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    'warm-up': { type: 'string', default: '3' },
    rate: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(HELP)
else process.exitCode = await main()

/** @returns the exit code: a subject that failed is a failure, a program that is not installed is not */
async function main(): Promise<number> {
  leaveNothingBehind()
  const missing = new Set(Object.keys(PACKAGES).filter(isMissing))
  const contenders = [...list(values.subjects).map(contender), ...values.tree.map(otherTree)].filter(
    ({ name }) => !missing.has(name),
  )
  const chosen = select(list(values.only))
  const possible = chosen.filter(({ needs }) => ![...needs, 'nghttpd'].some(program => missing.has(program)))
  const base =
    values.base ?? (contenders.some(({ name }) => name === DEFAULT_BASE) ? DEFAULT_BASE : contenders[0]?.name)
  const pinned = moveTo(1)
  const machine = describeMachine(pinned)
  console.log(machine.join('\n'))
  for (const program of missing) {
    console.log(`Missing: ${program}; on Debian: apt-get install ${PACKAGES[program as keyof typeof PACKAGES]}`)
  }
  const leftOut = chosen.filter(scenario => !possible.includes(scenario)).map(({ name }) => name)
  if (leftOut.length > 0) console.log(`Left out: ${leftOut.join(', ')}`)
  if (possible.length === 0 || base === undefined) return 0

  const results: Result[] = []
  const rate = values.rate === undefined ? undefined : positive('rate')
  const pace = { seconds: positive('seconds'), warmUpSeconds: positive('warm-up'), rate }
  for await (const result of contest(possible, contenders, { rounds: positive('rounds'), pace, progress })) {
    progress('')
    results.push(result)
    console.log(`\n${tableOf(result, base)}`)
  }
  if (results.length > 1) console.log(`\n${summaryOf(results, base)}`)
  if (values.json !== undefined) {
    const command = ['npm run bench --', ...process.argv.slice(2)].join(' ')
    const scenarios = results.map(result => jsonOf(result, base))
    writeFileSync(values.json, `${JSON.stringify({ date: new Date(), command, machine, scenarios }, null, 2)}\n`)
  }
  return results.some(({ entries }) => entries.some(({ failure }) => failure !== undefined)) ? 1 : 0
}

function contender(name: string): Contender {
  if (name === nghttpx.name) return nghttpx
  const pair = PAIRS[name]
  if (pair === undefined) usage(`no subject "${name}"`)
  return verbatim(name, pair)
}

/** `name=/path` or `name=/path,native`. */
function otherTree(text: string): Contender {
  const match = /^([\w.-]+)=([^,]+)(?:,([\w-]+))?$/.exec(text)
  const pair = PAIRS[match?.[3] ?? 'frames']
  if (match === null || pair === undefined) usage(`--tree ${text}: NAME=DIR or NAME=DIR,PAIR`)
  if (!existsSync(`${match[2]}/src/cli.ts`)) usage(`--tree ${text}: no src/cli.ts there`)
  return verbatim(match[1]!, pair, resolve(match[2]!))
}

function describeMachine(pinned: boolean): string[] {
  const version = (program: string): string =>
    (spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout ?? '').trim()
  return [
    `${os.cpus()[0]?.model ?? os.arch()}, ${os.cpus().length} cores, ${os.type()} ${os.release()}`,
    `Node ${execFileSync(NODE, ['--version'], { encoding: 'utf8' }).trim()}; ${version('nghttpx') || 'no nghttpx'}`,
    pinned
      ? 'The proxy alone on core 0; load and backend on core 1'
      : 'NOT PINNED (no taskset here): compare nothing but orders of magnitude',
  ]
}

function isMissing(program: string): boolean {
  return spawnSync(program, ['--version']).status !== 0
}

function list(text: string): string[] {
  return text.split(',').filter(name => name !== '')
}

function positive(option: 'rounds' | 'seconds' | 'warm-up' | 'rate'): number {
  const number = Number(values[option])
  if (!(number > 0)) usage(`--${option} ${values[option]}: not a positive number`)
  return number
}

function usage(message: string): never {
  console.error(`${message}\n\n${HELP}`)
  process.exit(2)
}

/** One line that is overwritten; nothing where nobody looks. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}
