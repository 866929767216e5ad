/**
 * A configuration in several files: the main one includes others, which may have listeners, backends and routes. Their lists
 * are put behind those of the main file, in the order of the names of the files.
 */
import { readdirSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import type { Finding, Path } from './problems.ts'
import { isMap, listOf, mapOf, type RawMap } from './raw.ts'

/** What an included file may have; everything else is said once, in the main file. */
const LISTS = ['listeners', 'routes'] as const
const INCLUDED = new Set<string>([...LISTS, 'backends'])

/** More are surely a mistake of a pattern. */
const MAX_FILES = 1_000

/** One file of a configuration, as plain data. The main one is the first. */
export interface ConfigFile {
  readonly file: string
  readonly input: unknown
}

export interface Merged {
  readonly input: unknown
  readonly findings: readonly PlacedFinding[]
  /** Where a path of the whole is in its file. */
  readonly placeOf: (path: Path) => { readonly index: number; readonly path: Path }
}

/** A finding in the file with this index. */
export interface PlacedFinding extends Finding {
  readonly index: number
}

/**
 * The files that a pattern names: a path, or one whose last part has `*`.
 * @throws the system's error where its folder cannot be read; RangeError where there are too many
 */
export function filesOf(pattern: string, folder: string): string[] {
  const path = resolve(folder, pattern)
  const name = basename(path)
  if (!name.includes('*')) return [path]
  const test = new RegExp(`^${name.split('*').map(escaped).join('.*')}$`)
  const found = readdirSync(dirname(path))
    .filter(entry => test.test(entry) && !entry.startsWith('.'))
    .sort()
  if (found.length > MAX_FILES) throw new RangeError(`matches ${found.length} files; ${MAX_FILES} at most`)
  return found.map(entry => resolve(dirname(path), entry))
}

function escaped(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
}

export function merge([main, ...others]: readonly [ConfigFile, ...ConfigFile[]]): Merged {
  const findings: PlacedFinding[] = []
  if (others.length === 0 || !isMap(main.input)) {
    return { input: main.input, findings, placeOf: path => ({ index: 0, path }) }
  }
  const files = [main, ...others].map(({ input }) => mapOf(input))
  const origins = new Map(LISTS.map(list => [list as string, entriesOf(files, list)]))
  const owners = backendsOf(files, findings)
  others.forEach(({ input }, i) => {
    findings.push(...strangersIn(input, i + 1))
  })
  const merged: Record<string, unknown> = { ...files[0] }
  for (const list of LISTS) {
    const entries = origins.get(list)!
    if (entries.length > 0) merged[list] = entries.map(({ value }) => value)
  }
  if (owners.size > 0) merged.backends = Object.fromEntries([...owners].map(([name, { value }]) => [name, value]))
  const placeOf: Merged['placeOf'] = path => {
    const [section, key, ...rest] = path
    if (section === 'backends') return { index: owners.get(String(key))?.index ?? 0, path }
    const entry = origins.get(String(section))?.[Number(key)]
    return entry === undefined ? { index: 0, path } : { index: entry.index, path: [section!, entry.at, ...rest] }
  }
  return { input: merged, findings, placeOf }
}

interface Entry {
  readonly index: number
  readonly at: number
  readonly value: unknown
}

function entriesOf(files: readonly RawMap[], list: string): Entry[] {
  return files.flatMap((file, index) => listOf(file[list]).map((value, at) => ({ index, at, value })))
}

function backendsOf(files: readonly RawMap[], findings: PlacedFinding[]): Map<string, Omit<Entry, 'at'>> {
  const owners = new Map<string, Omit<Entry, 'at'>>()
  files.forEach((file, index) => {
    for (const [name, value] of Object.entries(mapOf(file.backends))) {
      if (!owners.has(name)) owners.set(name, { index, value })
      else
        findings.push({
          index,
          path: ['backends', name],
          message: 'another file has a backend of this name',
          atKey: true,
        })
    }
  })
  return owners
}

function strangersIn(input: unknown, index: number): PlacedFinding[] {
  if (input === null || input === undefined) return []
  if (!isMap(input))
    return [{ index, path: [], message: 'is no map: an included file has listeners, backends and routes' }]
  return Object.keys(mapOf(input))
    .filter(key => !INCLUDED.has(key))
    .map(key => ({
      index,
      path: [key],
      message: 'belongs into the main file: an included one has only listeners, backends and routes',
      atKey: true,
    }))
}
