/** Reads a configuration file. */
import { readFileSync } from 'node:fs'
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
import { reasonOf } from './pem.ts'
import { ConfigError, type Finding, type Path, type Problem } from './problems.ts'
import { isMap as isPlainMap, listOf, mapOf } from './raw.ts'
import { type Resolution, resolveConfig } from './resolve.ts'

/**
 * Reads, checks and resolves a YAML file. Relative paths in it start from its folder.
 * @param file its path; messages name it as it is given here
 * @param files gets the path of each file that is read, or that cannot be
 * @throws ConfigError with every problem, each with file, line and column
 */
export function loadConfig(file: string, files?: Set<string>): Resolution {
  let text: string
  files?.add(resolve(file))
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError([{ file, path: '', message: `cannot be read: ${reasonOf(error)}` }])
  }
  return parseConfig(text, file, files)
}

/**
 * The same for text that is already there.
 * @param file names the text in messages; its folder is where relative paths start
 */
export function parseConfig(text: string, file: string, files?: Set<string>): Resolution {
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
  const duplicates = new Map<Finding, number>()
  for (const error of document.errors) duplicates.set(duplicateKey(document, error), error.pos[0])

  const input = plainValue(document, file)
  return resolveConfig(input, {
    folder: dirname(resolve(file)),
    ...(files && { files }),
    findings: [...duplicates.keys(), ...needsListener(input)],
    locate: finding => place(duplicates.get(finding) ?? offsetOf(document, finding.path, finding.atKey ?? false)),
  })
}

/** @throws ConfigError for aliases that lead nowhere, or that make a small file enormous */
function plainValue(document: Document, file: string): unknown {
  try {
    return document.toJS() ?? {}
  } catch (error) {
    throw new ConfigError([{ file, path: '', message: reasonOf(error) }])
  }
}

/** In code `listen()` can come later; a file without listeners would serve nobody. */
function needsListener(input: unknown): Finding[] {
  if (!isPlainMap(input)) return []
  const { listeners } = mapOf(input)
  if (listeners !== undefined && (!Array.isArray(listeners) || listOf(listeners).length > 0)) return []
  return [
    {
      path: ['listeners'],
      message: 'there is no listener: give at least one address',
      atKey: true,
    },
  ]
}

function syntaxMessage(error: YAMLError, text: string): string {
  const line = text.slice(text.lastIndexOf('\n', error.pos[0] - 1) + 1).split('\n', 1)[0]!
  const hint = /\[[0-9a-f:]*:[0-9a-f:]*\]:\d/i.test(line) ? ' (an IPv6 address needs quotes: "[::]:8080")' : ''
  return `${error.message.split('\n', 1)[0]}${hint}`
}

function duplicateKey(document: Document, error: YAMLError): Finding {
  const path = pathAt(document.contents, error.pos[0]) ?? []
  return { path, message: 'the key is there twice', atKey: true }
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
