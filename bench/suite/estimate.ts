/** An estimate of how long a run takes. */
import { isFresh, roundsOf } from './contest.ts'
import type { Pace, Scenario } from './scenario.ts'

/** The time to start one subject and to stop it. */
const START_SECONDS = 0.6
/** The time for a backend, or certificates, in each world. */
const WORLD_SECONDS = 1
/** The time to count system calls: strace attaches, and everything is slow meanwhile. */
const SYSCALLS_SECONDS = 1.5

export interface Plan {
  readonly scenarios: readonly Scenario[]
  /** How many subjects take part in each. */
  readonly subjects: (scenario: Scenario) => number
  readonly rounds: number
  readonly pace: Pace
  readonly syscalls: boolean
  readonly freshProcesses?: boolean
}

export function estimateSeconds(plan: Plan): number {
  const { scenarios, subjects, rounds, pace, syscalls } = plan
  const started = new Map<string, number>()
  let seconds = 0
  for (const scenario of scenarios) {
    const count = subjects(scenario)
    const { openSeconds, measureSeconds } = scenario.cost(pace)
    const fresh = isFresh(scenario, plan)
    const turns = roundsOf(scenario, rounds)
    seconds +=
      count * (turns * (measureSeconds + (fresh ? START_SECONDS + openSeconds : 0)) + (fresh ? 0 : openSeconds))
    if (syscalls && !fresh) seconds += count * SYSCALLS_SECONDS
    const world = JSON.stringify(scenario.world)
    if (!fresh) started.set(world, Math.max(count, started.get(world) ?? 0))
    else if (!started.has(world)) started.set(world, 0)
  }
  for (const count of started.values()) seconds += WORLD_SECONDS + count * START_SECONDS
  return seconds
}

/** `about 8 minutes`, `about 40 seconds`: nobody believes more digits. */
export function durationText(seconds: number): string {
  if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} seconds`
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `about ${minutes} minutes`
  return `about ${(seconds / 3600).toFixed(1)} hours`
}
