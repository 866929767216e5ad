/** This tree, and the Node on which everything in JavaScript runs. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const THIS_TREE = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
/** The Node that the project ships with, also for other trees. */
const SHIPPED_NODE = join(THIS_TREE, 'node_modules/node/bin/node')
export const NODE = existsSync(SHIPPED_NODE) ? SHIPPED_NODE : process.execPath

let version: string | undefined

/** `Node 26.10.0`. */
export function nodeVersion(): string {
  version ??= `Node ${spawnSync(NODE, ['--version'], { encoding: 'utf8' }).stdout.trim().replace(/^v/, '')}`
  return version
}

/** What the package.json in a folder says; undefined: there is none. */
export function packageVersion(folder: string): string | undefined {
  const file = join(folder, 'package.json')
  if (!existsSync(file)) return undefined
  return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version
}
