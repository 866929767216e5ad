/** What a crew is made with, and what it tells. */
import type { Logger } from 'pino'
import type { ChangeSummary } from '../proxy/change.ts'
import type { Clock } from '../transport/clock.ts'

export interface CrewOptions {
  readonly count: number
  /** Options of Node's and V8's for each of them. */
  readonly execArgv: readonly string[]
  readonly log: Logger
  readonly clock: Clock
  /** A number from 0 up to 1. */
  readonly random: () => number
  /** A worker ended before its time. */
  readonly onGone?: (worker: number) => void
  /** Gates of some worker have counted something. */
  readonly onCounted?: () => void
  /** So many seconds without an answer, and a worker is ended. */
  readonly hungAfterLooks?: number
}

/** The next configuration is ready in all workers; one of the two is called. */
export interface CrewChange {
  readonly summary: ChangeSummary
  /** Resolves when it holds in all of them. */
  commit(): Promise<void>
  discard(): Promise<void>
}

/** A place for a worker, as it is told. */
export interface Member {
  readonly number: number
  readonly pid: number | undefined
  readonly isReady: boolean
  readonly load: number
  /** How often whoever had it ended before its time. */
  readonly ends: number
}
