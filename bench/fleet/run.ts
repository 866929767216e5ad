/**
 * A thousand proxies over a thousand endpoints, simulated: `npm run simulate`. It takes three minutes on one core, and two
 * runs tell the same to the last digit. `-- --pictures FOLDER` draws, `--seed 2` for other chances, `--json FILE` keeps all.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { alignedLines } from '../../src/bench/columns.ts'
import { loadDraw } from '../../src/bench/draw.ts'
import { seededRandom } from '../../src/bench/random.ts'
import type { Deploy } from './deploy.ts'
import { deployPicture, spreadPicture } from './pictures.ts'
import { FULL, ROLLOUTS, rollout, spreads } from './plan.ts'
import type { Spread } from './spread.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    pictures: { type: 'string' },
    json: { type: 'string' },
  },
})
const seed = Number(values.seed)
const tell = (text: string): void => void process.stderr.write(`${text}\n`)
const count = (value: number): string => value.toLocaleString('en')

/** So many calls, each to any of the endpoints: how many has the one that has most, for each of the mean? */
function byChance(calls: number, endpoints: number): number {
  const random = seededRandom(seed)
  const counts = new Uint32Array(endpoints)
  for (let i = 0; i < calls; i++) counts[Math.floor(random() * endpoints)]!++
  return (Math.max(...counts) * endpoints) / calls
}

function spreadTable(all: readonly Spread[]): string {
  const head = ['balancer', 'subset', 'sessions', 'most', 'least', 'p50 ms', 'p99 ms', 'failed']
  const rows = all.map(({ balancer, subset, sessions, mostToMean, leastToMean, p50Ms, p99Ms, failed }) => [
    ...[balancer, String(subset), count(sessions), mostToMean.toFixed(2), leastToMean.toFixed(2)],
    ...[p50Ms.toFixed(0), p99Ms.toFixed(0), String(failed)],
  ])
  return alignedLines([head, ...rows]).join('\n')
}

function deployTable(all: readonly Deploy[]): string {
  const head = ['balancer', 'slow start', 'old ones', 'calls', 'failed', 'on killed', '> 1 s', 'p99 ms', 'dialled']
  const rows = all.map(({ balancer, slowStart, leaving, calls, failed, onKilled, slow, moments, dialled }) => [
    ...[balancer, slowStart ? 'yes' : 'no', leaving, count(calls), count(failed), count(onKilled), count(slow)],
    ...[Math.max(...moments.map(({ p99Ms }) => p99Ms)).toFixed(0), count(dialled)],
  ])
  return alignedLines([head, ...rows], column => column === 0 || column === 2).join('\n')
}

const began = performance.now()
const { proxies, endpoints, subset } = FULL
const found = spreads(FULL, seed, tell)
const chance = byChance(found[0]!.calls, endpoints)
console.log(
  `${count(proxies)} proxies, ${count(endpoints)} endpoints, seed ${seed}. Calls of an endpoint: times the mean\n`,
)
console.log(spreadTable(found))
console.log(`\nBy chance alone the endpoint with most would have ${chance.toFixed(2)} times the mean.\n`)
const deploys = ROLLOUTS.map(of => {
  tell(`a deploy: ${of.balancer}${of.slowStart ? ', slow start' : ''}, ${of.leaving}`)
  return rollout(FULL, of, seed)
})
console.log(
  `A rolling deploy, a tenth of the endpoints at a time, subsets of ${subset}. p99: of the worst half second\n`,
)
console.log(deployTable(deploys))
tell(`\n${((performance.now() - began) / 1_000).toFixed(0)} s`)
if (values.json !== undefined)
  writeFileSync(values.json, JSON.stringify({ seed, chance, spreads: found, deploys }, null, 1))
if (values.pictures !== undefined) {
  const draw = await loadDraw()
  const scale = `${count(proxies)} proxies over ${count(endpoints)} endpoints, simulated.`
  const subsets = `${scale} Half of the proxies have three times the calls of the other half; endpoints are busy to 60 %.`
  const orderly = deploys.filter(({ leaving }) => leaving === 'orderly')
  const cold = `${scale} A tenth is replaced each 1.5 s. A new endpoint is cold: at first a call takes it five times as long.`
  const pictures = {
    'fleet-subsets.svg': await draw(
      spreadPicture(found, chance, subsets),
      'Sessions, imbalance and latency by subset size',
    ),
    'fleet-deploy.svg': await draw(deployPicture(orderly, cold), 'Latency during a rolling deploy'),
  }
  for (const [name, svg] of Object.entries(pictures)) writeFileSync(join(values.pictures, name), svg)
}
