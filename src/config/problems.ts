/** What can be wrong with a configuration, and how it is reported: all of it at once, each with its place. */

/** `['routes', 2, 'match', 'service']` */
export type Path = readonly (string | number)[]

/** One thing that is wrong. */
export interface Problem {
  /** The configuration file, as it was named; absent for options given in code. */
  readonly file?: string
  /** From 1. */
  readonly line?: number
  /** From 1. */
  readonly column?: number
  /** `routes[2].match.service`; empty for the document as a whole. */
  readonly path: string
  readonly message: string
}

/** A problem before its place in a file is known. */
export interface Finding {
  readonly path: Path
  readonly message: string
  /** The key itself is wrong (unknown, misspelt), rather than what it holds. */
  readonly atKey?: boolean
  /** The configuration works, but probably not as its author thinks. */
  readonly warning?: boolean
}

/** The configuration cannot be used. `message` lists every problem, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]
  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
  }
}

/** `proxy.yaml:12:5 routes[2].backend: message`; parts that are not known are left out. */
export function formatProblem({ file, line, column, path, message }: Problem): string {
  const place = [file, line, column].filter(part => part !== undefined).join(':')
  const subject = path === '' ? message : `${path}: ${message}`
  return place === '' ? subject : `${place}${path === '' ? ': ' : ' '}${subject}`
}

/** `routes[2].match.metadata["x y"]` */
export function formatPath(path: Path): string {
  let out = ''
  for (const part of path) {
    if (typeof part === 'number') out += `[${part}]`
    else if (!/^[\w-]+$/.test(part)) out += `[${JSON.stringify(part)}]`
    else out += out === '' ? part : `.${part}`
  }
  return out
}

/** `, did you mean "service"?` when one of `known` is close to `word`, else nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  let best: string | undefined
  // One slip in three letters; a word of one or two letters is like every other.
  let least = Math.floor(word.length / 3) + 1
  for (const candidate of known) {
    const distance = editDistance(plain(word), plain(candidate))
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best === undefined ? '' : `, did you mean "${best}"?`
}

/** `max_calls` and `maxcalls` are the same word as `maxCalls`. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, '')
}

/** Levenshtein's, two rows at a time. Words longer than 64 characters are not compared. */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Infinity
  let above = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(changed, above[j]! + 1, row[j - 1]! + 1))
    }
    above = row
  }
  return above[b.length]!
}
