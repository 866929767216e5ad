/** Looks for the programs on this machine and the npm packages that subjects need. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { nodeVersion, packageVersion, THIS_TREE } from './node.ts'

/** The folder in which `npm run bench:peers` builds and unpacks. It is not tracked. */
export const CACHE = join(THIS_TREE, 'node_modules/.cache/grpc-verbatim-bench')

export interface Found {
  /** The version as the program says it: `nghttpx 1.52.0`. */
  readonly version: string
}

export interface Missing {
  readonly missing: string
  /** The line that installs it. */
  readonly install: string
}

export interface Program {
  /** The name in tables. */
  readonly title: string
  /** The commands to try, the likeliest first. A name is looked for on PATH. */
  readonly commands: readonly string[]
  readonly versionArgs: readonly string[]
  /** Its first group is the version. */
  readonly version: RegExp
  readonly install: string
}

/** The limit for saying a version, which takes a program milliseconds. */
const VERSION_MS = 10_000

/** @returns the first of its commands that says a version; undefined: none does */
export function commandOf(program: Program): { command: string; version: string } | undefined {
  for (const command of program.commands) {
    const { stdout, stderr } = spawnSync(command, program.versionArgs, { encoding: 'utf8', timeout: VERSION_MS })
    const version = program.version.exec(`${stdout ?? ''}\n${stderr ?? ''}`)?.[1]
    if (version !== undefined) return { command, version }
  }
  return undefined
}

export function findProgram(program: Program): Found | Missing {
  const there = commandOf(program)
  if (there === undefined) return { missing: `no ${program.commands[0]} on PATH`, install: program.install }
  return { version: `${program.title} ${there.version}` }
}

/** @throws Error with the line that installs it */
export function requireCommand(program: Program): string {
  const there = commandOf(program)
  if (there === undefined) throw new Error(`${program.title} is not installed: ${program.install}`)
  return there.command
}

/** A package of this project's node_modules. */
export function findPackage(name: string): Found | Missing {
  const version = packageVersion(join(THIS_TREE, 'node_modules', name))
  if (version === undefined) return { missing: `no ${name} in node_modules`, install: 'npm ci' }
  return { version: `${name} ${version}, ${nodeVersion()}` }
}
