/** PEM as a configuration gives it: the path of a file, or the text itself. */
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'

export interface PemSource {
  /** For messages: the path as it was written, or what stands for it. */
  readonly name: string
  readonly bytes: Buffer
  /** The mode of the file that it was read from, where files have modes. */
  readonly mode?: number
}

/** Windows says 0666 of every file. */
const HAS_MODES = process.platform !== 'win32'

/**
 * @param seen gets the path of the file
 * @returns the text of the problem when it cannot be read, undefined when there is nothing to read
 */
export function readSource(
  value: unknown,
  folder: string,
  seen: Set<string> | undefined,
): PemSource | string | undefined {
  if (value instanceof Uint8Array) return { name: 'the given Buffer', bytes: inLines(Buffer.from(value)) }
  if (typeof value !== 'string' || value === '') return undefined
  if (value.trimStart().startsWith('-----BEGIN')) return { name: 'the given PEM', bytes: inLines(Buffer.from(value)) }
  const file = resolve(folder, value)
  seen?.add(file)
  try {
    return { name: value, bytes: inLines(readFileSync(file)), mode: HAS_MODES ? statSync(file).mode : undefined }
  } catch (error) {
    return `cannot read ${file}: ${reasonOf(error)}`
  }
}

/** Of files that were joined without a line break between them OpenSSL reads the first one only. */
function inLines(bytes: Buffer): Buffer {
  if (!bytes.includes(TWO_IN_A_LINE)) return bytes
  return Buffer.from(bytes.toString('latin1').replaceAll(TWO_IN_A_LINE, '-----\n-----BEGIN '), 'latin1')
}

const TWO_IN_A_LINE = '----------BEGIN '

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
}

export function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string' && REASONS[code] !== undefined) return REASONS[code]
  return error instanceof Error ? error.message : String(error)
}
