/** Arguments of a command line: numbers within bounds, and words in the form in which they can be typed again. */
import type { Bound } from './bounds.ts'
import { UsageError } from './problem.ts'

/**
 * @param unit what the number counts: `seconds`
 * @returns the usual number where nothing is given
 * @throws UsageError that says what can be given
 */
export function numberOf(option: string, text: string | undefined, bound: Bound, unit: string, whole = false): number {
  if (text === undefined) return bound.usual
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (number >= bound.least && number <= bound.most && (!whole || Number.isInteger(number))) return number
  const kind = whole ? 'a whole number' : 'a number'
  throw new UsageError(
    `${option} is ${JSON.stringify(text)}: give ${unit}, ${kind} from ${bound.least} to ${bound.most}`,
  )
}

/** The words as one line, quoted for a POSIX shell. */
export function shellText(words: readonly string[]): string {
  return words.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll(`'`, `'\\''`)}'`)).join(' ')
}
