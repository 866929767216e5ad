/**
 * What the native transport costs above the smallest correct pass-through on node:http2: CPU a
 * call of both, in turn, in one run, on the same Node. `npm run bench:overhead [-- --rounds 7]`
 */
import { parseArgs } from 'node:util'
import { closedLoop, type LoadOptions } from './load/closed-loop.ts'
import { moveTo, Subject } from './subjects/subject.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    only: { type: 'string' },
  },
})
const ROUNDS = Number(values.rounds)

const SCENARIOS: Readonly<Record<string, LoadOptions>> = {
  'unary, M=1': {
    connections: 10,
    streams: 1,
    calls: 6_000,
    responseBytes: 39,
  },
  'unary, M=10': {
    connections: 10,
    streams: 10,
    calls: 10_000,
    responseBytes: 39,
  },
  'unary, M=100': {
    connections: 10,
    streams: 100,
    calls: 10_000,
    responseBytes: 39,
  },
  '1 MiB responses': {
    connections: 4,
    streams: 4,
    calls: 300,
    responseBytes: 1_048_576,
  },
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

async function cpuPerCall(subject: Subject, load: LoadOptions): Promise<number> {
  const before = await subject.usage()
  await closedLoop(subject.port, load)
  const after = await subject.usage()
  return (after.userUs + after.systemUs - before.userUs - before.systemUs) / load.calls
}

const pinned = moveTo(1)
const backend = await Subject.start('backend.ts', [], 1)
const url = `http://127.0.0.1:${backend.port}`
const subjects = {
  'by hand': await Subject.start('handwritten.ts', [url], 0),
  native: await Subject.start('proxy.ts', [url, 'native'], 0),
  'native + access log': await Subject.start('proxy.ts', [url, 'native', '{"log":{"level":"info","pretty":false}}'], 0),
}
console.log(
  `Node ${process.version}, ${ROUNDS} rounds in turn, ${pinned ? 'a core for the proxy alone' : 'cores not pinned'}`,
)
console.log('CPU µs a call: median (least – most); ratio: median of the rounds\' ratios to "by hand"\n')
for (const [scenario, load] of Object.entries(SCENARIOS)) {
  if (values.only !== undefined && !scenario.includes(values.only)) continue
  for (const subject of Object.values(subjects)) await closedLoop(subject.port, load)
  const measured = new Map(Object.keys(subjects).map(name => [name, [] as number[]]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, subject] of Object.entries(subjects)) measured.get(name)!.push(await cpuPerCall(subject, load))
  }
  console.log(scenario)
  const base = measured.get('by hand')!
  for (const [name, costs] of measured) {
    const ratio = median(costs.map((cost, round) => cost / base[round]!))
    const spread = `${Math.min(...costs).toFixed(1)} – ${Math.max(...costs).toFixed(1)}`
    console.log(
      `  ${name.padEnd(20)} ${median(costs).toFixed(1).padStart(8)} (${spread})`.padEnd(56),
      `ratio ${ratio.toFixed(3)}`,
    )
  }
}
for (const subject of [...Object.values(subjects), backend]) subject.stop()
