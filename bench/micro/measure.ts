/**
 * Measures the cases of one part, in this process: `node --expose-gc measure.ts PART REQUEST`, started by run.ts.
 * Prints the results as JSON.
 *
 * All cases of the part are warmed up before the first is measured, those that nobody asked for too: what V8 has seen
 * of the part decides how it compiles it, so a filter must not change a figure. Then the cases take turns, round by
 * round, so that a slow moment of the machine affects all of them and not only one.
 */
import { do_not_optimize, measure } from 'mitata'
import { type Case, runOnce } from './case.ts'
import { isWanted, PARTS, type PartName } from './parts.ts'
import { type CaseResult, resultOf } from './result.ts'

export interface Request {
  /** The words, as `isWanted` takes them. */
  readonly words: readonly string[]
  /** The time that each case is measured, in all rounds together. */
  readonly minCpuMs: number
}

export const ROUNDS = 5
/** The warm-up as a part of `minCpuMs`, for each case of the part, wanted or not. */
const WARM_UP_PART = 1 / 4
/** The least number of samples, also where a run takes longer than the time there is. */
const MIN_SAMPLES = 12
/** The most samples of one case and round. mitata makes room for 2^20 samples; more would be slow to sort. */
const MAX_SAMPLES = 100_000

async function measurePart(part: PartName, { words, minCpuMs }: Request): Promise<CaseResult[]> {
  const { cases } = await PARTS[part]()
  const all = cases()
  for (const its of all) warmUp(its, minCpuMs * WARM_UP_PART)
  const wanted = all.filter(its => isWanted(part, its, words)).map(its => ({ its, samplesNs: [] as number[] }))
  for (let round = 0; round < ROUNDS; round++) {
    for (const { its, samplesNs } of wanted) {
      for (const ns of await sample(its, minCpuMs / ROUNDS)) samplesNs.push(ns)
    }
  }
  // A last check that each case still does its work after all those runs.
  for (const { its } of wanted) runOnce(its)
  return wanted.map(({ its, samplesNs }) => resultOf(part, its, samplesNs))
}

function warmUp(its: Case, ms: number): void {
  const end = performance.now() + ms
  do runOnce(its)
  while (performance.now() < end)
}

/** Nanoseconds of single runs. mitata drops the two fastest and the two slowest. */
async function sample(its: Case, ms: number): Promise<readonly number[]> {
  const { samples } = await measure(repeatedly(its), {
    min_cpu_time: ms * 1e6,
    min_samples: MIN_SAMPLES,
    max_samples: MAX_SAMPLES,
    // A sample is one run, because runs are long enough and `prepare` comes before each.
    batch_threshold: 0,
    // The collector runs once before the first sample, so that a case pays only for its own garbage.
    gc: globalThis.gc as (() => void) | undefined,
  })
  return samples
}

/**
 * mitata calls `0` before each sample, untimed, and hands what it returns to `bench`. Its types know only functions.
 */
function repeatedly(its: Case): () => Generator<() => number> {
  const prepared = {
    0: () => its.prepare?.(),
    // The compiler cannot know that nobody reads what a run yields, so it cannot leave the work out.
    bench: (_: unknown) => do_not_optimize(its.run()),
  }
  return function* () {
    yield prepared as unknown as () => number
  }
}

const [part, request] = process.argv.slice(2)
if (globalThis.gc === undefined) throw new Error('start it with --expose-gc, or by run.ts')
console.log(JSON.stringify(await measurePart(part as PartName, JSON.parse(request!) as Request)))
