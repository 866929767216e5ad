/** Measures contenders in turn, round by round: a slow moment of the machine meets all of them. */
import type { Contender } from '../subjects/contender.ts'
import { openWorld, type World, type WorldOptions } from '../subjects/world.ts'
import type { Measure, Pace, Sample, Scenario, Target } from './scenario.ts'

export interface ContestOptions {
  readonly rounds: number
  readonly pace: Pace
  /** Told before each step, for whoever waits. */
  readonly progress: (text: string) => void
}

/** What a contender did in a scenario: a sample a round, or why it is out. */
export interface Entry {
  readonly name: string
  samples: Sample[]
  failure?: string
}

export interface Result {
  readonly scenario: Scenario
  readonly entries: readonly Entry[]
}

/** Yields a result after each scenario. Scenarios in one world share its processes. */
export async function* contest(
  scenarios: readonly Scenario[],
  contenders: readonly Contender[],
  options: ContestOptions,
): AsyncGenerator<Result> {
  for (const group of byWorld(scenarios)) {
    options.progress('starting')
    let stable = new Stable(await openWorld(group[0]!.world))
    try {
      for (const scenario of group) {
        if (stable.world.lost() !== undefined) {
          await stable.close()
          stable = new Stable(await openWorld(scenario.world))
        }
        yield await run(scenario, contenders, stable, options)
      }
    } finally {
      await stable.close()
    }
  }
}

async function run(
  scenario: Scenario,
  contenders: readonly Contender[],
  stable: Stable,
  { rounds: wanted, pace, progress }: ContestOptions,
): Promise<Result> {
  const rounds = Math.min(wanted, scenario.maxRounds ?? wanted)
  const entries = contenders.map(({ name }): Entry => ({ name, samples: [] }))
  /** Whoever failed takes no further part: half a series compares with nothing. */
  const attempt = async (entry: Entry, step: string, action: () => Promise<void>): Promise<void> => {
    if (entry.failure !== undefined) return
    progress(`${scenario.name}: ${entry.name}, ${step}`)
    try {
      await action()
    } catch (error) {
      entry.failure = stable.world.lost() ?? (error as Error).message
      entry.samples = []
      await stable.drop(entry.name)
    }
  }
  const targets: Target[] = []
  const measures = new Map<string, Measure>()
  for (const [i, entry] of entries.entries()) {
    await attempt(entry, 'starting', async () => {
      targets.push(await stable.target(contenders[i]!))
    })
  }
  const open = async (target: Target): Promise<Measure> => scenario.open(target, pace, targets)
  if (scenario.freshProcess !== true) {
    for (const entry of entries) {
      await attempt(entry, 'warming up', async () => {
        measures.set(entry.name, await open(targets.find(target => target.name === entry.name)!))
      })
    }
  }
  for (let round = 1; round <= rounds; round++) {
    for (const [i, entry] of entries.entries()) {
      await attempt(entry, `round ${round} of ${rounds}`, async () => {
        if (scenario.freshProcess === true) {
          await stable.drop(entry.name)
          measures.set(entry.name, await open(await stable.target(contenders[i]!)))
        }
        entry.samples.push(await measures.get(entry.name)!())
      })
    }
  }
  return { scenario, entries }
}

/** A world, and the proxies in it that are running. */
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

  async drop(name: string): Promise<void> {
    await this.#targets.get(name)?.proxy.child.kill()
    this.#targets.delete(name)
  }

  async close(): Promise<void> {
    for (const name of [...this.#targets.keys()]) await this.drop(name)
    await this.world.close()
  }
}

function byWorld(scenarios: readonly Scenario[]): Scenario[][] {
  const groups = new Map<WorldOptions, Scenario[]>()
  for (const scenario of scenarios) groups.set(scenario.world, [...(groups.get(scenario.world) ?? []), scenario])
  return [...groups.values()]
}
