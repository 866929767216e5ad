/** What is measured: a load, the world it needs, and the numbers it yields. */
import type { Metric, Sample, ScenarioRecord } from '../report/record.ts'
import type { Contender, RunningProxy } from '../subjects/contender.ts'
import type { World, WorldOptions } from '../subjects/world.ts'

/** A subject that stands ready, alone on its core. */
export interface Target {
  readonly name: string
  readonly proxy: RunningProxy
  readonly world: World
}

export interface Pace {
  /** Seconds of one measurement, about. */
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Calls a second in `latency`, where a rate is given. */
  readonly rate?: number
}

export interface Measurement {
  readonly sample: Sample
  /** An HDR histogram of microseconds, where latency was measured. */
  readonly histogram?: string
}

/** A subject that has been warmed up. */
export interface Opened {
  /** Takes one measurement. @throws Error when a call failed, because a proxy that drops calls is not fast */
  measure(): Promise<Measurement>
  /**
   * Makes a few calls while somebody counts system calls. @returns how many: calls, or messages where these are the
   * unit
   */
  few?(): Promise<number>
  /** A remark that belongs beside the title. */
  readonly note?: string
}

export interface Scenario {
  /** The name for `--only`. */
  readonly name: string
  readonly title: string
  readonly world: WorldOptions
  readonly metrics: readonly Metric[]
  readonly load: 'own' | 'h2load'
  readonly curve?: ScenarioRecord['curve']
  /** Whether it is in the short form too. */
  readonly short?: boolean
  /** Whether a process is measured once and then replaced, because memory is not given back. */
  readonly freshProcess?: boolean
  /** The number of rounds beyond which more say no more. */
  readonly maxRounds?: number
  /** Seconds of `open` and of one `measure`, about: for the estimate. */
  cost(pace: Pace): Cost
  /** Why a subject takes no part here; undefined when it does. */
  unfit?(contender: Contender): string | undefined
  /**
   * Warms the target up and finds how many calls fill the time. `all`: the targets of this scenario, in turn.
   * @throws LeftOut when the target cannot take part and is not to blame
   */
  open(target: Target, pace: Pace, all: readonly Target[]): Promise<Opened>
}

export interface Cost {
  readonly openSeconds: number
  readonly measureSeconds: number
}

/** Why a subject takes no part in a scenario, though nothing failed. */
export class LeftOut extends Error {
  override readonly name = 'LeftOut'
}
