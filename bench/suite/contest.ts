/** Measures subjects in turn, round by round (A B C, B C A, …): a slow moment of the machine affects all of them. */
import { decodeFromCompressedBase64, encodeIntoCompressedBase64, type JsHistogram } from 'hdr-histogram-js'
import { merged } from '../../src/bench/histogram.ts'
import type { Entry, Sample, ScenarioRecord } from '../report/record.ts'
import type { Contender } from '../subjects/contender.ts'
import { openWorld, type World, type WorldOptions } from '../subjects/world.ts'
import { addedLatency } from './closed-loop.ts'
import { LeftOut, type Opened, type Pace, type Scenario, type Target } from './scenario.ts'
import { countSyscalls } from './syscalls.ts'

/** The subject that others' latency is compared with. */
export const DIRECT = 'direct'

export interface ContestOptions {
  readonly rounds: number
  readonly pace: Pace
  /** Whether to count system calls after the rounds, in a run of its own. */
  readonly syscalls?: boolean
  /**
   * Each round in a process of its own, in every scenario. Two processes of the same program differ for as long as they
   * live (what was compiled when, where the heap lies): for small differences that must be part of the noise.
   */
  readonly freshProcesses?: boolean
  /** It is called before each step; there are `stepsOf` of them. */
  readonly progress: (text: string) => void
  /** Default: `openWorld`. */
  readonly openWorld?: (options: WorldOptions) => Promise<World>
}

export interface Result {
  readonly scenario: Scenario
  readonly entries: readonly Entry[]
  readonly leftOut: readonly LeftOutHere[]
  /** A remark on what was found out. */
  readonly note?: string
}

export interface LeftOutHere {
  readonly subject: string
  readonly why: string
}

export type Turns = Pick<ContestOptions, 'rounds' | 'syscalls' | 'freshProcesses'>

/** The number of steps of one scenario. */
export function stepsOf(scenario: Scenario, contenders: number, turns: Turns): number {
  const fresh = isFresh(scenario, turns)
  const more = fresh ? 0 : 1 + (turns.syscalls === true ? 1 : 0)
  return contenders * (roundsOf(scenario, turns.rounds) + more)
}

export function isFresh({ freshProcess }: Scenario, { freshProcesses }: Turns): boolean {
  return freshProcess === true || freshProcesses === true
}

export function roundsOf({ maxRounds }: Scenario, wanted: number): number {
  return Math.min(wanted, maxRounds ?? wanted)
}

/** Yields a result after each scenario. Scenarios in one world share its processes. */
export async function* contest(
  scenarios: readonly Scenario[],
  contenders: readonly Contender[],
  options: ContestOptions,
): AsyncGenerator<Result> {
  const open = options.openWorld ?? openWorld
  for (const group of byWorld(scenarios)) {
    let stable = new Stable(await open(group[0]!.world))
    try {
      for (const scenario of group) {
        if (stable.world.lost() !== undefined) {
          await stable.close()
          stable = new Stable(await open(scenario.world))
        }
        yield await new Heat(scenario, contenders, stable, options).run()
      }
    } finally {
      await stable.close()
    }
  }
}

/** A contender in one scenario. One that failed takes no further part, because half a series compares with nothing. */
interface Runner {
  readonly contender: Contender
  samples: Sample[]
  readonly histograms: string[]
  opened?: Opened
  failure?: string
  leftOut?: string
}

/** One scenario, all contenders. */
class Heat {
  readonly #scenario: Scenario
  readonly #stable: Stable
  readonly #options: ContestOptions
  readonly #runners: readonly Runner[]
  readonly #uncounted: LeftOutHere[] = []
  #targets: Target[] = []
  #note: string | undefined

  constructor(scenario: Scenario, contenders: readonly Contender[], stable: Stable, options: ContestOptions) {
    this.#scenario = scenario
    this.#stable = stable
    this.#options = options
    this.#runners = contenders.map(
      (contender): Runner => ({
        contender,
        samples: [],
        histograms: [],
        leftOut: contender.unfit?.(scenario.world) ?? scenario.unfit?.(contender),
      }),
    )
  }

  async run(): Promise<Result> {
    const rounds = roundsOf(this.#scenario, this.#options.rounds)
    const fresh = isFresh(this.#scenario, this.#options)
    for (const runner of this.#runners) {
      if (!fresh) await this.#attempt(runner, async () => void this.#targets.push(await this.#start(runner)))
    }
    if (!fresh) await this.#turn('warming up', runner => this.#open(runner))
    for (let round = 1; round <= rounds; round++) {
      const step = `round ${round} of ${rounds}`
      await this.#turn(step, runner => (fresh ? this.#freshRound(runner) : this.#round(runner)), round - 1)
    }
    if (this.#options.syscalls === true && !fresh)
      await this.#turn('counting system calls', runner => this.#count(runner))
    return this.#result()
  }

  async #round(runner: Runner): Promise<void> {
    const { sample, histogram } = await runner.opened!.measure()
    runner.samples.push(sample)
    if (histogram !== undefined) runner.histograms.push(histogram)
  }

  async #freshRound(runner: Runner): Promise<void> {
    const { name } = runner.contender
    await this.#stable.drop(name)
    this.#targets = [await this.#start(runner)]
    await this.#open(runner)
    await this.#round(runner)
    await this.#stable.drop(name)
  }

  /**
   * @param first the index of who begins, which wraps around. It changes each round: a subject that always came after
   * the same one would always have its heat, or its leftovers in a cache
   */
  async #turn(step: string, action: (runner: Runner) => Promise<void>, first = 0): Promise<void> {
    const at = first % Math.max(1, this.#runners.length)
    for (const runner of [...this.#runners.slice(at), ...this.#runners.slice(0, at)]) {
      this.#options.progress(`${this.#scenario.name}: ${runner.contender.name}, ${step}`)
      await this.#attempt(runner, () => action(runner))
    }
  }

  async #attempt(runner: Runner, action: () => Promise<void>): Promise<void> {
    if (runner.failure !== undefined || runner.leftOut !== undefined) return
    try {
      await action()
    } catch (error) {
      const { message } = error as Error
      if (error instanceof LeftOut) {
        runner.leftOut = message
      } else {
        runner.failure = this.#stable.world.lost() ?? this.#stable.ended(runner.contender.name) ?? message
        await this.#stable.drop(runner.contender.name)
      }
      runner.samples = []
    }
  }

  #start({ contender }: Runner): Promise<Target> {
    return this.#stable.target(contender)
  }

  async #open(runner: Runner): Promise<void> {
    const target = this.#targets.find(({ name }) => name === runner.contender.name)!
    runner.opened = await this.#scenario.open(target, this.#options.pace, this.#targets)
    this.#note = runner.opened.note ?? this.#note
  }

  /** Counts once, after all rounds, because strace slows what it watches. */
  async #count(runner: Runner): Promise<void> {
    const target = this.#targets.find(({ name }) => name === runner.contender.name)
    const few = runner.opened?.few
    const name = this.#scenario.metrics.find(metric => metric.name.startsWith('syscalls'))?.name
    if (target?.proxy.child === undefined || few === undefined || name === undefined) return
    let made = 0
    const counted = await countSyscalls(target.proxy.child.pid, async () => {
      made = await few()
    }).catch((error: Error) => {
      // Its rounds are still valid.
      this.#uncounted.push({
        subject: runner.contender.name,
        why: `its system calls were not counted: ${error.message}`,
      })
    })
    if (counted === undefined) return
    runner.samples = runner.samples.map((sample, i) => (i === 0 ? { ...sample, [name]: counted / made } : sample))
  }

  #result(): Result {
    const direct = this.#runners.find(({ contender }) => contender.name === DIRECT)
    const taking = this.#runners.filter(({ leftOut }) => leftOut === undefined)
    return {
      scenario: this.#scenario,
      note: this.#note,
      entries: taking.map(({ contender: { name }, samples, failure, histograms }) => ({
        subject: name,
        samples:
          direct === undefined || name === DIRECT
            ? samples
            : samples.map((sample, round) => withAdded(sample, direct, round)),
        failure,
        histogram: failure === undefined && histograms.length > 0 ? mergedText(histograms) : undefined,
      })),
      leftOut: [
        ...this.#runners.flatMap(({ contender, leftOut }) =>
          leftOut === undefined ? [] : [{ subject: contender.name, why: leftOut }],
        ),
        ...this.#uncounted,
      ],
    }
  }
}

/** The histogram of all rounds together. */
function mergedText(histograms: readonly string[]): string {
  return encodeIntoCompressedBase64(merged(histograms.map(text => decodeFromCompressedBase64(text) as JsHistogram)))
}

function withAdded(sample: Sample, direct: Runner, round: number): Sample {
  return { ...sample, ...addedLatency(sample, direct.samples[round] ?? {}) }
}

/** What is kept of a result: only metrics that somebody has. */
export function recordOf({ scenario, entries, note }: Result): ScenarioRecord {
  const has = (name: string): boolean => entries.some(({ samples }) => samples.some(sample => name in sample))
  return {
    name: scenario.name,
    title: note === undefined ? scenario.title : `${scenario.title}; ${note}`,
    curve: scenario.curve,
    load: scenario.load,
    backend: scenario.world.backend,
    metrics: scenario.metrics.filter(({ name }) => has(name)),
    entries,
  }
}

/** A world, and the subjects in it that are running. */
class Stable {
  readonly world: World
  readonly #targets = new Map<string, Target>()

  constructor(world: World) {
    this.world = world
  }

  async target(contender: Contender): Promise<Target> {
    const known = this.#targets.get(contender.name)
    if (known !== undefined) return known
    const proxy = await contender.start(this.world)
    const target = { name: contender.name, proxy, world: this.world }
    this.#targets.set(contender.name, target)
    return target
  }

  /** The last output of the subject, where its process is gone. */
  ended(name: string): string | undefined {
    const child = this.#targets.get(name)?.proxy.child
    return child === undefined || child.isRunning
      ? undefined
      : `its process ended: ${child.complaint || 'without a word'}`
  }

  async drop(name: string): Promise<void> {
    await this.#targets.get(name)?.proxy.child?.kill()
    this.#targets.delete(name)
  }

  async dropAll(): Promise<void> {
    for (const name of [...this.#targets.keys()]) await this.drop(name)
  }

  async close(): Promise<void> {
    await this.dropAll()
    await this.world.close()
  }
}

function byWorld(scenarios: readonly Scenario[]): Scenario[][] {
  return [...Map.groupBy(scenarios, ({ world }) => JSON.stringify(world)).values()]
}
