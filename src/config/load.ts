/** Reads a configuration from its file, and from those that it includes. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type ConfigFile, filesOf, merge } from './include.ts'
import { type ParsedFile, parseFile } from './parsed-file.ts'
import type { PemsBefore } from './pem-index.ts'
import { reasonOf } from './pem-source.ts'
import { ConfigError, type Finding, formatPath, type Problem } from './problems.ts'
import { isMap, listOf, mapOf } from './raw.ts'
import { type Resolution, resolveConfig } from './resolve.ts'

/**
 * Reads, checks and resolves a YAML file. Relative paths in it start from its folder, also those in files that it includes.
 * @param file its path; messages name it as it is given here
 * @param files gets the path of each file that is read, or that cannot be
 * @param before the certificates that are in force, if any are
 * @throws ConfigError with every problem, each with file, line and column
 */
export function loadConfig(file: string, files?: Set<string>, before?: PemsBefore): Resolution {
  return resolveFiles(readFile(file, files), files, before)
}

/**
 * The same for text that is already there.
 * @param file names the text in messages; its folder is where relative paths start
 */
export function parseConfig(text: string, file: string, files?: Set<string>): Resolution {
  return resolveFiles(parseFile(text, file, files), files)
}

function readFile(file: string, files: Set<string> | undefined): ParsedFile {
  files?.add(resolve(file))
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError([{ file, path: '', message: `cannot be read: ${reasonOf(error)}` }])
  }
  return parseFile(text, file, files)
}

function resolveFiles(main: ParsedFile, files: Set<string> | undefined, before?: PemsBefore): Resolution {
  const folder = dirname(resolve(main.file))
  const problems: Problem[] = [...main.problems]
  const { include, ...input } = mapOf(main.input)
  const all = [
    isMap(main.input) ? { ...main, input } : main,
    ...includedBy(main, include, folder, files, problems),
  ] as const
  const merged = merge(all as readonly [ConfigFile, ...ConfigFile[]])
  const placed = (finding: Finding) => {
    const { index, path } = merged.placeOf(finding.path)
    return all[index]!.locate({ ...finding, path })
  }
  for (const { index, ...finding } of merged.findings) {
    problems.push({ ...all[index]!.locate(finding), path: formatPath(finding.path), message: finding.message })
  }
  for (const { problems: own } of all.slice(1)) problems.push(...own)
  return resolveConfig(merged.input, {
    folder,
    problems,
    findings: needsListener(merged.input),
    locate: placed,
    ...(files && { files }),
    ...(before && { before }),
  })
}

/** Those that can be read; what is wrong with others is told among the problems. */
function includedBy(
  main: ParsedFile,
  include: unknown,
  folder: string,
  files: Set<string> | undefined,
  problems: Problem[],
): ParsedFile[] {
  const wrong = (path: (string | number)[], message: string) =>
    problems.push({ ...main.locate({ path, message }), path: formatPath(path), message })
  if (include !== undefined && !Array.isArray(include)) wrong(['include'], 'is a list of files')
  return listOf(include).flatMap((pattern, i) => {
    const at = ['include', i]
    if (typeof pattern !== 'string' || pattern === '') {
      wrong(at, 'is the path of a file')
      return []
    }
    try {
      files?.add(dirname(resolve(folder, pattern)))
      return filesOf(pattern, folder).flatMap(file => readIfRight(file, files, problems))
    } catch (error) {
      wrong(at, `cannot be read: ${reasonOf(error)}`)
      return []
    }
  })
}

/** A mistake in one file hides none in another. */
function readIfRight(file: string, files: Set<string> | undefined, problems: Problem[]): ParsedFile[] {
  try {
    return [readFile(file, files)]
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return []
  }
}

/** In code `listen()` can come later; a file without listeners would serve nobody. */
function needsListener(input: unknown): Finding[] {
  if (!isMap(input)) return []
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
