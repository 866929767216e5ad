/**
 * Subjects that prove the suite: `frames` with a known cost, a known delay or a known loss for each call. They are in
 * no list of subjects; each is compared with the same program that does none of it.
 */
import type { Contender } from './contender.ts'
import { nodeProgram } from './node-program.ts'

/** What is done to each call. */
export interface Artifice {
  /** CPU time of the process, in microseconds. Default: 0. */
  readonly cpuUs?: number
  /** The least delay before a call is forwarded, in milliseconds, with the CPU time. Default: 0. */
  readonly delayMs?: number
  /** One of this many calls ends with UNAVAILABLE. Default: 0, none. */
  readonly dropEvery?: number
}

export function artificial(name: string, title: string, artifice: Artifice): Contender {
  return nodeProgram({ name, title, file: 'artificial.ts', more: { ...artifice } })
}

/** 50 µs of CPU and 1 ms of delay a call. */
export const busy = artificial('busy', 'frames and 50 µs of CPU and 1 ms of delay a call', { cpuUs: 50, delayMs: 1 })

/** 1 % of its calls fail. */
export const dropper = artificial('dropper', 'frames that drops every 100th call', { dropEvery: 100 })

/** The subject that `dropper` is compared with. */
export const dropperBase = artificial('dropper-base', 'frames that drops no call', { dropEvery: 0 })
