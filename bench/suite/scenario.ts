/** What is measured: a load, the world it needs, and the numbers it yields. */
import type { RunningProxy } from '../subjects/contender.ts'
import type { World, WorldOptions } from '../subjects/world.ts'

export interface Metric {
  readonly name: string
  /** Digits behind the point. */
  readonly digits: number
  /** Which subject the ratios are against, where it is not nghttpx. */
  readonly base?: string
  /** Says something about the measurement, not about the subject: no ratio. */
  readonly aside?: boolean
  /** What issue 3 asks of `frames`: a ratio at most, or at least. */
  readonly bar?: { readonly atMost: number } | { readonly atLeast: number }
}

/** Whether the subject was alone on its core. */
export const FOREIGN: Metric = { name: 'foreign %', digits: 0, aside: true }

/** One measurement: a number for each metric, by name. */
export type Sample = Readonly<Record<string, number>>

/** A proxy that stands ready, alone on its core. */
export interface Target {
  readonly name: string
  readonly proxy: RunningProxy
  readonly world: World
}

export interface Pace {
  /** Seconds of one measurement, about. */
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Calls a second of open loops, where it is not to be found out. */
  readonly rate?: number
}

/** Takes one measurement. @throws Error when a call failed: what drops calls is not fast */
export type Measure = () => Promise<Sample>

export interface Scenario {
  /** For `--only`. */
  readonly name: string
  readonly title: string
  readonly world: WorldOptions
  readonly metrics: readonly Metric[]
  /** Programs that must be there besides nghttpd. */
  readonly needs: readonly string[]
  /** A process that is measured once and then replaced: memory that was given once is not given back. */
  readonly freshProcess?: boolean
  /** Where more rounds say no more. */
  readonly maxRounds?: number
  /** Warms the target up and finds how many calls fill the time. `all`: the targets of this scenario, in turn. */
  open(target: Target, pace: Pace, all: readonly Target[]): Promise<Measure>
}

export const PLAIN: WorldOptions = { backends: 1, tls: false }
export const THREE: WorldOptions = { backends: 3, tls: false }
export const TLS: WorldOptions = { backends: 1, tls: true }
