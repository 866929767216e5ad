/** Turns what zod reports into findings that a person can act on. */
import type { z } from 'zod'
import { didYouMean, type Finding, type Path } from './problems.ts'

type Issue = z.core.$ZodIssue

/** Give it issues made with `reportInput: true`. */
export function findingsOf(issues: readonly Issue[], base: Path = []): Finding[] {
  return issues.flatMap(issue => findingsOfIssue(issue, [...base, ...pathOf(issue)]))
}

function findingsOfIssue(issue: Issue, path: Path): Finding[] {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const messages = issue.message.split('\n')
      return issue.keys.map((key, i) => ({
        path: [...path, key],
        message: messages[i] ?? 'unknown key',
        atKey: true,
      }))
    }
    case 'invalid_key':
    case 'invalid_element':
      return issue.issues.map(({ message }) => ({
        path,
        message,
        atKey: issue.code === 'invalid_key',
      }))
    case 'invalid_union':
      return findingsOfUnion(issue, path)
    default:
      return [{ path, message: messageOf(issue) }]
  }
}

/**
 * The alternative that was meant is the one whose kind of value is there; of several the one that `kind` names, or the one
 * with the fewest faults.
 */
function findingsOfUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path): Finding[] {
  // The schema has a message of its own where none of the alternatives was meant.
  if (issue.message !== 'Invalid input') return [{ path, message: issue.message }]
  const possible = issue.errors.filter(errors => !errors.some(isWrongKind))
  const named = possible.filter(errors => !errors.some(isWrongName))
  if (named.length === 0 && possible.length > 1) {
    const wrong = possible.map(errors => errors.find(isWrongName)!)
    const values = [...new Set(wrong.flatMap(one => one.values))]
    return findingsOf([{ ...wrong[0]!, values }], path)
  }
  const meant = (named.length > 0 ? named : possible).sort((a, b) => faults(a) - faults(b)).at(0)
  if (meant !== undefined) return findingsOf(meant, path)
  const wanted = issue.errors.flatMap(errors => errors.filter(isWrongKind).map(kindWanted))
  const words = [...new Set(wanted.filter(word => word !== ''))]
  return [{ path, message: wrongKind(words.join(' or '), issue.input) }]
}

function isWrongKind(issue: Issue): boolean {
  if (issue.path.length > 0) return false
  if (issue.code === 'custom') return issue.params?.kind === true
  return issue.code === 'invalid_type' || issue.code === 'invalid_value'
}

/** The value says by its `kind` that it is another alternative. */
function isWrongName(issue: Issue): issue is z.core.$ZodIssueInvalidValue {
  return issue.code === 'invalid_value' && issue.path.length === 1 && issue.path[0] === 'kind'
}

/** A misspelt key weighs less than one that resembles no known key. */
function faults(errors: readonly Issue[]): number {
  let sum = 0
  for (const issue of errors) {
    if (issue.code !== 'unrecognized_keys') sum += 1
    else for (const message of issue.message.split('\n')) sum += message.includes('did you mean') ? 0.5 : 1
  }
  return sum
}

function messageOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongKind(kindWanted(issue), issue.input)
    case 'invalid_value': {
      const { input } = issue
      if (typeof input !== 'string') return wrongKind(kindWanted(issue), input)
      const known = issue.values.map(String)
      return `${JSON.stringify(input)} is not one of ${known.join(', ')}${didYouMean(input, known)}`
    }
    case 'too_small':
    case 'too_big':
      // A message of our own stands in the schema where the plain bound says too little.
      return /^Too (small|big)/.test(issue.message) ? outOfBounds(issue) : issue.message
    default:
      return issue.message
  }
}

function outOfBounds(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const [side, bound] = issue.code === 'too_small' ? ['at least', issue.minimum] : ['at most', issue.maximum]
  if (issue.origin === 'array' || issue.origin === 'string') {
    const things = issue.origin === 'array' ? 'entries' : 'characters'
    return issue.code === 'too_small' && bound === 1 ? 'must not be empty' : `must have ${side} ${bound} ${things}`
  }
  return `must be ${side} ${bound}${typeof issue.input === 'number' ? `, it is ${issue.input}` : ''}`
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
}

function kindWanted(issue: Issue): string {
  if (issue.code === 'invalid_type') return KINDS[issue.expected] ?? ''
  if (issue.code === 'invalid_value') return issue.values.map(value => JSON.stringify(value)).join(' or ')
  return ''
}

function wrongKind(wanted: string, input: unknown): string {
  if (input === undefined) return `is missing: ${wanted} is needed here`
  if (input === null) return `is empty: ${wanted} is needed here`
  const scalar = typeof input === 'number' || typeof input === 'boolean'
  const hint = scalar && wanted.startsWith('a string') ? `; put it in quotes: "${input}"` : ''
  return `expected ${wanted}, found ${kindOf(input)}${hint}`
}

function kindOf(input: unknown): string {
  if (Array.isArray(input)) return 'a list'
  if (typeof input === 'object') return 'a map'
  if (typeof input === 'function') return 'a function'
  return typeof input === 'string' ? JSON.stringify(input) : String(input)
}

function pathOf(issue: Issue): Path {
  return issue.path.map(part => (typeof part === 'number' ? part : String(part)))
}
