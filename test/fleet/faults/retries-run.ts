/**
 * Retries and hedging by policy under load for some minutes on each transport, as a table for people: `npm run retries`.
 * `-- --seconds 60` of each scene, `--rate 2000` calls a second, `--transport frames`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { leaveNothingBehind, moveTo } from '../../../bench/measure/child.ts'
import { goKind, type Kind, NODE_KIND } from './endpoint.ts'
import { mostAttempts, type Played, RetryField, type Tally } from './retries.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    rate: { type: 'string', default: '2000' },
    transport: { type: 'string', default: 'frames,native' },
  },
})

const ENDPOINTS = 4
const SECONDS = Number(values.seconds)

interface Scene {
  readonly about: string
  readonly treatment: Played
  readonly endpoints: number
  /** What must be true of it beside the budget. */
  readonly right: (tally: Tally) => boolean
}

const SCENES: readonly Scene[] = [
  {
    about: '5 % of attempts fail: 0.1 % of calls or less do',
    treatment: 'flaky',
    endpoints: ENDPOINTS,
    right: ({ calls, failed }) => failed.length <= calls / 1_000,
  },
  {
    about: 'all fail: the backend gets 1.2 of normal at most',
    treatment: 'unavailable',
    endpoints: ENDPOINTS,
    right: ({ calls, failed, attempts }) => failed.length === calls && attempts <= 1.2 * calls,
  },
  {
    about: 'nothing is wrong any more: no call fails',
    treatment: 'flaky',
    endpoints: 0,
    right: ({ calls, failed, attempts }) => failed.length === 0 && attempts === calls,
  },
  {
    about: 'one endpoint of four fails',
    treatment: 'unavailable',
    endpoints: 1,
    right: ({ calls, failed, attempts }) => attempts > calls && failed.length < calls / 2,
  },
]

/** Most answers take 2 to 8 ms here, and a slow endpoint takes a hundred times as long. */
const HEDGE = { delayMs: 50, maxAttempts: 2, budget: { maxTokens: 200 } }
const DEADLINE_MS = 2_000

const HEDGING: readonly Scene[] = [
  {
    about: 'nothing is wrong: hardly any call is sent once more',
    treatment: 'slow',
    endpoints: 0,
    right: ({ calls, failed, attempts }) => failed.length === 0 && attempts <= 1.05 * calls,
  },
  {
    about: 'one endpoint of four is slow',
    treatment: 'slow',
    endpoints: 1,
    right: ({ failed, p99Ms }) => failed.length === 0 && p99Ms < 400,
  },
  {
    about: 'one endpoint of four never answers',
    treatment: 'silent',
    endpoints: 1,
    right: ({ calls, failed, p99Ms }) => failed.length <= calls / 1_000 && p99Ms < 400,
  },
  {
    about: 'none answers: the backend gets 1.2 of normal at most',
    treatment: 'silent',
    endpoints: ENDPOINTS,
    right: ({ calls, failed, attempts }) => failed.length === calls && attempts <= 1.2 * calls,
  },
]

const line = (cells: readonly (string | number)[]): string =>
  cells.map((cell, i) => (i < 2 ? String(cell).padEnd(i === 0 ? 8 : 54) : String(cell).padStart(10))).join(' ')

leaveNothingBehind()
moveTo(1)
const root = mkdtempSync(join(tmpdir(), 'grpc-verbatim-retries-'))
const go = goKind(root)
const kinds: Kind[] = [NODE_KIND]
if ('missing' in go) console.log(`SKIPPED: endpoints on grpc-go: ${go.missing}`)
else kinds.push(go)
console.log(
  `${values.rate} calls a second over ${ENDPOINTS} endpoints, ${SECONDS} s for each scene. at most: attempts that calls and the budget allow.`,
)
let wrong = 0

/** @param hedged there is no bound by calls and the budget: so few are in flight */
async function table(title: string, scenes: readonly Scene[], hedged: boolean): Promise<void> {
  console.log(line([title, 'scene', 'calls', 'failed', 'failed %', 'attempts', 'of normal', 'at most', '99 % ms', '']))
  for (const transport of values.transport.split(',') as ('frames' | 'native')[]) {
    const folder = mkdtempSync(join(root, 'field-'))
    const load = { callsASecond: Number(values.rate), pinned: true }
    const asked = hedged ? { route: { hedge: HEDGE }, deadlineMs: DEADLINE_MS } : {}
    const field = new RetryField({ folder, kinds, endpoints: ENDPOINTS, transport, ...load, ...asked })
    try {
      await field.start()
      for (const { about, treatment, endpoints, right } of scenes) {
        const tally = await field.play(treatment, endpoints, SECONDS)
        const { calls, failed, attempts, p99Ms, complaints } = tally
        const most = hedged ? Infinity : mostAttempts(tally)
        const isRight = right(tally) && attempts <= most && complaints.length === 0
        if (!isRight) wrong++
        const shares = [((100 * failed.length) / calls).toFixed(3), attempts, (attempts / calls).toFixed(4)]
        const bounds = [hedged ? '' : Math.floor(most), Math.round(p99Ms)]
        console.log(line([transport, about, calls, failed.length, ...shares, ...bounds, isRight ? '' : 'WRONG']))
        for (const text of complaints.slice(0, 3)) console.log(`    ${text}`)
      }
    } finally {
      await field.end()
    }
  }
}

await table('retries', SCENES, false)
await table('hedging', HEDGING, true)
rmSync(root, { recursive: true, force: true })
process.exit(wrong === 0 ? 0 : 1)
