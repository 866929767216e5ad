/** The result of a case, and the table of results. */
import { alignedLines } from '../../src/bench/columns.ts'
import { percentile } from '../measure/statistics.ts'
import type { Case, Unit } from './case.ts'

export interface CaseResult {
  readonly part: string
  readonly name: string
  readonly unit: Unit
  /** Units in a sample. */
  readonly perRun: number
  readonly samples: number
  /** The time of one unit. */
  readonly nanoseconds: Spread
  /** Units a second, by the median. */
  readonly perSecond: number
  readonly bytesPerSecond?: number
}

export interface Spread {
  readonly least: number
  readonly p25: number
  readonly median: number
  readonly p75: number
  readonly most: number
}

/** @param samplesNs nanoseconds of single runs, in any order; at least one */
export function resultOf(part: string, { name, unit, perRun, bytes }: Case, samplesNs: readonly number[]): CaseResult {
  const sorted = Float64Array.from(samplesNs).sort()
  const at = (share: number): number => percentile(sorted, share) / perRun
  const nanoseconds = { least: at(0), p25: at(0.25), median: at(0.5), p75: at(0.75), most: at(1) }
  const perSecond = 1e9 / nanoseconds.median
  const result = { part, name, unit, perRun, samples: sorted.length, nanoseconds, perSecond }
  return bytes === undefined ? result : { ...result, bytesPerSecond: (bytes / perRun) * perSecond }
}

const PLURALS: Readonly<Record<Unit, string>> = {
  block: 'blocks',
  frame: 'frames',
  copy: 'copies',
  span: 'spans',
  call: 'calls',
  decision: 'decisions',
}

/** Columns: case, nanoseconds a unit (median, and the middle half of the samples), units a second, bytes a second. */
export function tableOf(results: readonly CaseResult[]): string {
  const rows = results.map(({ name, unit, nanoseconds, perSecond, bytesPerSecond }) => [
    name,
    digits(nanoseconds.median),
    `(${digits(nanoseconds.p25)}–${digits(nanoseconds.p75)}) ns a ${unit}`,
    `${scaled(perSecond)} ${PLURALS[unit]}/s`.replace('  ', ' '),
    bytesPerSecond === undefined ? '' : `${scaled(bytesPerSecond)}B/s`,
  ])
  return alignedLines(rows, column => column === 0 || column === 2).join('\n')
}

/** The number with three significant digits. */
function digits(number: number): string {
  if (number >= 100) return number.toFixed(0)
  return number >= 10 ? number.toFixed(1) : number.toFixed(2)
}

const PREFIXES = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const

/** 12345 → `12.3 k`, 99 → `99.0 `. */
function scaled(number: number): string {
  const [factor, letter] = PREFIXES.find(([least]) => number >= least) ?? [1, '']
  return `${digits(number / factor)} ${letter}`
}
