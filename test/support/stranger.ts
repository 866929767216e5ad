/** The package as somebody else gets it: packed, unpacked in an empty project. No network. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Scope } from './teardown.ts'

export const ROOT = path.join(import.meta.dirname, '../..')
export const TSC = path.join(ROOT, 'node_modules/typescript/bin/tsc')
export const MANIFEST = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))

/** @throws with what it printed when it fails */
export function run(cwd: string, command: string, ...args: string[]): string {
  const env = { ...process.env, npm_config_offline: 'true', npm_config_loglevel: 'error', NODE_OPTIONS: '' }
  return execFileSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 600_000,
  })
}

export const node = (cwd: string, ...args: string[]) => run(cwd, process.execPath, ...args)

/** Built in a copy: other tests may look at `dist` meanwhile. @returns the tarball and what is in it */
function pack(folder: string): { tarball: string; files: string[] } {
  const copy = path.join(folder, 'checkout')
  mkdirSync(copy)
  for (const name of ['package.json', 'tsconfig.json', 'README.md', 'LICENSE', 'src', 'test', 'bench', 'fixtures']) {
    if (existsSync(path.join(ROOT, name))) cpSync(path.join(ROOT, name), path.join(copy, name), { recursive: true })
  }
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'))
  // Types are checked by `npm run typecheck`, and here as the stranger sees them.
  node(copy, TSC, '-p', 'src', '--noCheck')
  cpSync(path.join(copy, 'src/admin/page'), path.join(copy, 'dist/admin/page'), { recursive: true })
  const [packed] = JSON.parse(run(copy, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder))
  return {
    tarball: path.join(folder, packed.filename),
    files: packed.files.map((file: { path: string }) => file.path).sort(),
  }
}

/** A project with the package and what it depends on, and nothing else. */
function install(folder: string, tarball: string): string {
  const project = path.join(folder, 'project')
  const modules = path.join(project, 'node_modules')
  mkdirSync(path.join(modules, '@types'), { recursive: true })
  writeFileSync(path.join(project, 'package.json'), JSON.stringify({ name: 'stranger', type: 'module', private: true }))
  run(modules, 'tar', '-xzf', tarball)
  cpSync(path.join(modules, 'package'), path.join(modules, MANIFEST.name), { recursive: true })
  for (const name of [...Object.keys(MANIFEST.dependencies), '@types/node']) {
    symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name))
  }
  // As npm does it.
  mkdirSync(path.join(modules, '.bin'))
  for (const [name, file] of Object.entries<string>(MANIFEST.bin)) {
    const program = path.join(modules, MANIFEST.name, file)
    chmodSync(program, 0o755)
    symlinkSync(path.relative(path.join(modules, '.bin'), program), path.join(modules, '.bin', name))
  }
  return project
}

export interface Stranger {
  /** The folder of a project that has the package and what it depends on. */
  readonly project: string
  readonly tarball: string
  /** What is in it, by path. */
  readonly files: readonly string[]
}

/** Removed when the test ends. Not below this checkout, whose node_modules would be found from there. */
export function strangersProject(t: Scope): Stranger {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'grpc-verbatim-package-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const { tarball, files } = pack(folder)
  return { project: install(folder, tarball), tarball, files }
}
