/**
 * What faults cost, as a table for people, of this proxy and of others beside it: `npm run faults`.
 *
 * 2,000 calls a second over eight endpoints. `-- --only least-request,envoy` of those subjects, `--scenes slow,frozen`,
 * `--seconds 20` for each scene, `--rate`, `--seed`, `--quick` for half an hour's shape in some minutes, `--keep` keeps logs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { leaveNothingBehind, moveTo } from '../../../bench/measure/child.ts'
import { goKind, type Kind, NODE_KIND } from './endpoint.ts'
import { Field } from './field.ts'
import type { Verdict } from './judge.ts'
import { scenes } from './scenes.ts'
import { SUBJECTS } from './subjects.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    scenes: { type: 'string', default: '' },
    seconds: { type: 'string', default: '21' },
    rate: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})

const ENDPOINTS = 8
const DEADLINE_MS = 2_000
const TIMES = { faultMs: 3_000, restMs: 1_500, maxAgeMs: 2_000 }
const SECONDS = values.quick ? 5 : Number(values.seconds)
const chosen = (list: string, name: string): boolean => list === '' || list.split(',').includes(name)

const COLUMNS = [
  ['proxy', 32],
  ['scene', 12],
  ['calls', 7],
  ['p50', 6],
  ['p99', 7],
  ['x calm', 7],
  ['max', 6],
  ['to it %', 8],
  ['lost', 6],
  ['unprocessed', 12],
  ['no fault', 9],
  ['twice', 6],
] as const

const line = (cells: readonly string[]): string =>
  cells.map((cell, at) => (at < 2 ? cell.padEnd(COLUMNS[at]![1]) : cell.padStart(COLUMNS[at]![1]))).join(' ')

function row(subject: string, scene: string, verdict: Verdict, calmP99Ms: number | undefined): string {
  const { calls, p50Ms, p99Ms, maxMs, lost, mistreated, unprocessed, unexplained, twice } = verdict
  return line([
    ...[subject, scene, String(calls), p50Ms.toFixed(1), p99Ms.toFixed(1)],
    calmP99Ms === undefined ? '' : (p99Ms / calmP99Ms).toFixed(1),
    maxMs.toFixed(0),
    mistreated === 0 ? '' : ((100 * mistreated) / calls).toFixed(2),
    String([...lost.values()].reduce((sum, count) => sum + count, 0)),
    ...[unprocessed, unexplained, twice].map(all => String(all.length)),
  ])
}

leaveNothingBehind()
moveTo(1)
const root = mkdtempSync(join(tmpdir(), 'grpc-verbatim-faults-'))
const go = goKind(root)
const kinds: Kind[] = [NODE_KIND]
if ('missing' in go) console.log(`SKIPPED: endpoints on grpc-go: ${go.missing}`)
else kinds.push(go)
console.log(
  `${values.rate} calls a second over ${ENDPOINTS} endpoints, ${SECONDS} s for each scene, seed ${values.seed}; times in ms.` +
    ' to it: calls that went to the faulty endpoint. lost: calls that were there and failed. unprocessed: calls that failed' +
    ' though no endpoint had them. no fault: calls that failed where nothing was wrong. twice: processed by two endpoints.',
)
console.log(line(COLUMNS.map(([name]) => name)))
let faults = 0
for (const subject of SUBJECTS.filter(({ name }) => chosen(values.only, name))) {
  const missing = subject.missing()
  if (missing !== undefined) {
    console.log(`SKIPPED: ${subject.name}: ${missing}`)
    continue
  }
  const field = new Field({
    folder: join(root, subject.name.replaceAll(/\W+/g, '-')),
    ...{ kinds, endpoints: ENDPOINTS, callsASecond: Number(values.rate), seconds: SECONDS },
    ...{ deadlineMs: DEADLINE_MS, seed: Number(values.seed), pinned: true },
  })
  let calmP99Ms: number | undefined
  try {
    await field.start(subject)
    for (const scene of scenes(TIMES, 'thawed')) {
      if (scene.name !== 'calm' && !chosen(values.scenes, scene.name)) continue
      const unfit = field.unfit(scene)
      if (unfit !== undefined) {
        console.log(`${line([subject.name, scene.name])} ${unfit}`)
        continue
      }
      const verdict = await field.play(scene)
      if (scene.name === 'calm') calmP99Ms = verdict.p99Ms
      console.log(row(subject.name, scene.name, verdict, calmP99Ms))
      const { unprocessed, unexplained, twice, complaints } = verdict
      const problems = [...unprocessed, ...unexplained, ...twice.map(text => `twice: ${text}`), ...complaints]
      for (const text of problems.slice(0, 3)) console.log(`    ${text}`)
      if (subject.ours) faults += problems.length
    }
  } catch (error) {
    console.log(`FAILED: ${subject.name}: ${(error as Error).message}`)
    faults++
  } finally {
    await field.end()
  }
}
if (values.keep) console.log(`logs: ${root}`)
else rmSync(root, { recursive: true, force: true })
if (faults > 0) console.log(`${faults} calls or rules were not kept by this proxy`)
process.exit(faults === 0 ? 0 : 1)
