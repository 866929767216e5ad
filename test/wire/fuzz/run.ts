/**
 * The long run: `npm run fuzz -- --inputs 10000000 [--seed N] [--only INDEX]`. A line of progress each 10 s on
 * stderr, a summary as JSON on stdout. Ends with 1 if something was found.
 */
import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { rawCached } from '../../../src/wire/hpack/decoder.ts'
import { INTERNED_BYTES_MAX, interned } from '../../../src/wire/hpack/interning.ts'
import { collect } from '../hpack/support.ts'
import { Fuzzer } from './fuzzer.ts'

const { values } = parseArgs({
  options: { inputs: { type: 'string', default: '100000' }, seed: { type: 'string' }, only: { type: 'string' } },
})
const seed = Number(values.seed ?? process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
const inputs = Number(values.inputs)
const fuzzer = new Fuzzer(seed)
/** Failures that end a run: more say nothing new. */
const MOST_FAILURES = 10
/** MiB that the heap may grow from the middle of a run to its end. */
const HEAP_GROWTH_MIB = 32

/** Which input runs now: a hang cannot tell of itself. */
const now = new Int32Array(new SharedArrayBuffer(4))
const watchdog = new Worker(new URL('./watchdog.ts', import.meta.url), { workerData: { now, seed } })
watchdog.unref()

const heapMib = () => {
  collect()
  return process.memoryUsage().heapUsed / 2 ** 20
}
const start = performance.now()
const seconds = () => Math.round((performance.now() - start) / 100) / 10
const progress = (done: number) =>
  writeSync(
    2,
    `${seconds()} s: ${done} inputs, ${fuzzer.rejected} rejected, ${fuzzer.failures.length} failures, seed ${seed}\n`,
  )

let done = 0
let half = 0
let told = start
if (values.only !== undefined) fuzzer.input(Number(values.only))
else
  for (; done < inputs && fuzzer.failures.length < MOST_FAILURES; ) {
    Atomics.store(now, 0, done)
    fuzzer.input(done++)
    if (done === inputs >> 1) half = heapMib()
    if ((done & 0xff) === 0 && performance.now() - told >= 10_000) {
      told = performance.now()
      progress(done)
    }
  }
progress(done)
for (const { where, error, frames } of fuzzer.failures)
  writeSync(2, `\n${where}: ${error.stack}\nframes:\n${frames.map(text => `  ${text.slice(0, 400)}`).join('\n')}\n`)

const heap = heapMib()
const cached = { interned: interned().bytes, raw: rawCached().bytes }
const grew = heap - half > HEAP_GROWTH_MIB && half > 0
if (grew) writeSync(2, `the heap has ${heap.toFixed(1)} MiB, at half of the inputs ${half.toFixed(1)}\n`)
const summary = {
  seed,
  inputs: done,
  failures: fuzzer.failures.length,
  seconds: seconds(),
  peakRssMib: Math.round(process.resourceUsage().maxRSS / 1_024),
  heapMib: { half: Math.round(half), end: Math.round(heap) },
  cachedBytes: cached,
  slowestMs: Math.round(fuzzer.slowestMs),
  kinds: fuzzer.kinds,
  finished: fuzzer.finished,
  rejected: fuzzer.rejected,
  tokens: Object.fromEntries([...fuzzer.tokens].sort(([, a], [, b]) => b - a)),
}
writeSync(1, `${JSON.stringify(summary, null, 2)}\n`)
process.exit(fuzzer.failures.length > 0 || grew || cached.interned > INTERNED_BYTES_MAX ? 1 : 0)
