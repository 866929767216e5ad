/** A YAML file of a configuration: parsed, and with the places of everything in it. */
import { dirname, resolve } from 'node:path'
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from 'yaml'
import { reasonOf } from './pem-source.ts'
import { ConfigError, type Finding, formatPath, type Path, type Problem } from './problems.ts'
import { substitute } from './substitution.ts'

export interface ParsedFile {
  /** As messages name it. */
  readonly file: string
  readonly input: unknown
  /** What is wrong with it that the input does not show: keys that are there twice, values that are missing. */
  readonly problems: readonly Problem[]
  /** Where a finding in this file is. */
  readonly locate: (finding: Finding) => Pick<Problem, 'file' | 'line' | 'column'>
}

/**
 * @param files gets the path of each file that is read, or that cannot be
 * @throws ConfigError where it is no YAML
 */
export function parseFile(text: string, file: string, files?: Set<string>): ParsedFile {
  const lines = new LineCounter()
  // Aliases can make a small file large (a "billion laughs"): yaml's own bound of 100 stays.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
  })
  const place = (offset: number): Pick<Problem, 'file' | 'line' | 'column'> => {
    const { line, col } = lines.linePos(offset)
    return { file, line, column: col }
  }
  const faults = [...document.errors, ...document.warnings]
  if (faults.some(({ code }) => code !== 'DUPLICATE_KEY')) {
    throw new ConfigError(
      faults.map(fault => ({
        ...place(fault.pos[0]),
        path: '',
        message: syntaxMessage(fault, text),
      })),
    )
  }
  const twice = document.errors.map(error => ({
    ...place(error.pos[0]),
    path: formatPath(pathAt(document.contents, error.pos[0]) ?? []),
    message: 'the key is there twice',
  }))
  const context = { env: process.env, folder: dirname(resolve(file)), files }
  const missing = substitute(document, context).map(({ offset, message }) => ({ ...place(offset), path: '', message }))
  return {
    file,
    input: plainValue(document, file),
    problems: [...twice, ...missing],
    locate: ({ path, atKey }) => place(offsetOf(document, path, atKey ?? false)),
  }
}

/** @throws ConfigError for aliases that lead nowhere, or that make a small file enormous */
function plainValue(document: Document, file: string): unknown {
  try {
    return document.toJS() ?? {}
  } catch (error) {
    throw new ConfigError([{ file, path: '', message: reasonOf(error) }])
  }
}

function syntaxMessage(error: YAMLError, text: string): string {
  const line = text.slice(text.lastIndexOf('\n', error.pos[0] - 1) + 1).split('\n', 1)[0]!
  const hint = /\[[0-9a-f:]*:[0-9a-f:]*\]:\d/i.test(line) ? ' (an IPv6 address needs quotes: "[::]:8080")' : ''
  const reference = /[[{].*[\s:]\$\{/.test(line)
    ? ' (within { } or [ ] a value that refers to another needs quotes)'
    : ''
  return `${error.message.split('\n', 1)[0]}${hint}${reference}`
}

/** The path of the key that starts at an offset. */
function pathAt(node: unknown, offset: number, path: Path = []): Path | undefined {
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      const here = [...path, String(isScalar(key) ? key.value : key)]
      if (isNode(key) && key.range?.[0] === offset) return here
      const deeper = pathAt(value, offset, here)
      if (deeper !== undefined) return deeper
    }
  } else if (isSeq(node)) {
    for (const [i, item] of node.items.entries()) {
      const deeper = pathAt(item, offset, [...path, i])
      if (deeper !== undefined) return deeper
    }
  }
  return undefined
}

/** Where a path is in the text; for what is missing, where the nearest thing above it is. */
function offsetOf(document: Document, path: Path, atKey: boolean): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const [depth, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document)
    const last = depth === path.length - 1
    if (isMap(node)) {
      const pair = node.items.findLast(({ key }) => String(isScalar(key) ? key.value : key) === String(part))
      if (pair === undefined) return offset
      const keyOffset = startOf(pair.key) ?? offset
      node = pair.value
      // Above what is missing the key is the better place: a map's own start is its first entry.
      offset = last && !atKey ? (valueStart(node) ?? keyOffset) : keyOffset
    } else if (isSeq(node) && typeof part === 'number') {
      node = node.items[part]
      offset = startOf(node) ?? offset
    } else {
      return offset
    }
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined
}

/** Where a scalar starts, if there is one; maps, lists and empty values are shown by their key. */
function valueStart(node: unknown): number | undefined {
  return isScalar(node) && node.value !== null ? startOf(node) : undefined
}
