/** Where a log goes: a file whose folder is there and may be written, which is checked before anything is served. */
import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { AccessRules } from '../observe/access-log.ts'
import type { LogOptions } from '../observe/logger.ts'
import type { LogFile } from '../observe/outputs.ts'
import type { ProxySetup } from '../proxy/setup.ts'
import { reasonOf } from './pem-source.ts'
import type { Finding, Path } from './problems.ts'
import { mapOf } from './raw.ts'

/** @param root as the user wrote it */
export function checkLogFiles(root: Readonly<Record<string, unknown>>, folder: string): Finding[] {
  const log = mapOf(root.log)
  const places: readonly [path: Path, given: unknown][] = [
    [['log', 'file'], log.file],
    [['log', 'access', 'file'], mapOf(log.access).file],
  ]
  const findings: Finding[] = []
  for (const [path, given] of places) {
    const file = typeof given === 'string' ? given : mapOf(given).path
    if (typeof file !== 'string' || file === '') continue
    const wrong = whyNot(resolve(folder, file))
    if (wrong !== undefined) findings.push({ path, message: wrong })
    if (root.workers !== undefined && mapOf(given).rotate !== undefined) {
      const message = 'several workers cannot rotate one file: let logrotate do it, and tell the proxy by SIGUSR1'
      findings.push({ path: [...path, 'rotate'], message })
    }
  }
  return findings
}

/** @returns undefined: lines can be written there, as far as one can know before */
function whyNot(path: string): string | undefined {
  const folder = dirname(path)
  const above = lookAt(folder)
  if (typeof above === 'string') return `the folder ${folder} cannot be used: ${above}`
  if (!above.isDirectory()) return `${folder} is not a folder`
  const there = lookAt(path)
  if (typeof there !== 'string' && there.isDirectory()) return `${path} is a folder`
  const needed = typeof there === 'string' ? folder : path
  try {
    accessSync(needed, constants.W_OK)
    return undefined
  } catch (error) {
    return `${needed} may not be written: ${reasonOf(error)}`
  }
}

function lookAt(path: string): Stats | string {
  try {
    return statSync(path)
  } catch (error) {
    return reasonOf(error)
  }
}

/** As it is after the schema. */
type GivenFile = string | (Omit<LogFile, 'mode'> & { readonly mode: string })
type GivenAccess = AccessRules & { readonly file?: GivenFile | undefined }
type GivenLog = Omit<LogOptions, 'file'> & {
  readonly file?: GivenFile | undefined
  readonly access: boolean | GivenAccess
}

export function resolveLog({ file, access, ...log }: GivenLog, folder: string): ProxySetup['log'] {
  return {
    ...log,
    ...(file !== undefined && { file: logFileOf(file, folder) }),
    access: typeof access === 'boolean' ? access : resolveAccess(access, folder),
  }
}

function resolveAccess({ file, ...rules }: GivenAccess, folder: string): Exclude<ProxySetup['log']['access'], boolean> {
  return file === undefined ? rules : { ...rules, file: logFileOf(file, folder) }
}

function logFileOf(file: GivenFile, folder: string): LogFile {
  if (typeof file === 'string') return { path: resolve(folder, file), mode: 0o640 }
  return { ...file, path: resolve(folder, file.path), mode: Number.parseInt(file.mode, 8) }
}
