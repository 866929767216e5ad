/** Tells of an input that does not end, and ends the run. Counts its own ticks: a stopped process is no hang. */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'

const { now, seed } = workerData as { readonly now: Int32Array; readonly seed: number }
const TICK_MS = 1_000
/** Ticks without progress. Above that the end of a run, which collects garbage and reduces what it found. */
const MOST_TICKS = 120

let last = -1
let ticks = 0
setInterval(() => {
  const index = Atomics.load(now, 0)
  ticks = index === last ? ticks + 1 : 0
  last = index
  if (ticks < MOST_TICKS) return
  writeSync(2, `a hang: input ${seed}:${index} runs since ${ticks} s\n`)
  process.exit(1)
}, TICK_MS)
