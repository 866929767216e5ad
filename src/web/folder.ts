/**
 * A folder whose files anybody may have. A path is a list of names, each of them one segment after percent-decoding; what is
 * no such list has no file. Links are followed only to what is in the folder too. Files whose name, or whose folder's, begins
 * with a dot are not given out: they are what tools keep beside what is meant to be seen.
 */
import { type BigIntStats, constants } from 'node:fs'
import { lstat, open, realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'

/** One file as it was when it was found. */
export interface FoundFile {
  /** Without links. */
  readonly path: string
  readonly bytes: number
  /** Another one when it is written, or replaced. */
  readonly version: FileVersion
}

interface FileVersion {
  readonly device: bigint
  readonly inode: bigint
  readonly bytes: bigint
  /**
   * When anything of it changed, its contents too. No program can set it, as packages do with the time of the contents, which
   * is the same in each release.
   */
  readonly changedNs: bigint
}

export type Found =
  | { readonly kind: 'file'; readonly file: FoundFile }
  /** The path ends without a slash, so that what a page names beside itself would be sought elsewhere. */
  | { readonly kind: 'folder' }
  | { readonly kind: 'none' }

/** What a folder gives whose path ends with a slash. */
const INDEX = 'index.html'
const NONE: Found = { kind: 'none' }

/** They say that there is no such file, or none for us. All others are faults of the machine. */
const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EPERM'])

export class Folder {
  readonly #path: string

  /** @param path absolute; it may be a link, which may be another one at the next request */
  constructor(path: string) {
    this.#path = path
  }

  /**
   * @param path of a request, as it came, without what follows a `?`
   * @throws the system's error where the folder itself is not there, or the machine fails
   */
  async find(path: string): Promise<Found> {
    const names = namesOf(path)
    if (names === undefined) return NONE
    const root = await realpath(this.#path)
    try {
      const real = await realpath(join(root, ...names))
      if (!isInside(root, real)) return NONE
      const stats = await lstat(real, { bigint: true })
      if (stats.isDirectory()) return path.endsWith('/') ? NONE : { kind: 'folder' }
      if (!stats.isFile()) return NONE
      return { kind: 'file', file: { path: real, bytes: Number(stats.size), version: versionOf(stats) } }
    } catch (error) {
      if (isAbsent(error)) return NONE
      throw error
    }
  }
}

/** @returns undefined: no file has this path */
function namesOf(path: string): string[] | undefined {
  if (!path.startsWith('/')) return undefined
  const names: string[] = []
  for (const segment of path.slice(1).split('/')) {
    const name = decoded(segment)
    if (name === undefined || FORBIDDEN.test(name) || name.startsWith('.')) return undefined
    names.push(name)
  }
  if (names.at(-1) === '') names[names.length - 1] = INDEX
  return names.includes('') ? undefined : names
}

/** What ends or divides a path on some system, and control characters. A name has none of them after it was decoded. */
const FORBIDDEN = /[\p{Cc}/\\:]/u

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** A link may lead out, or to a file that begins with a dot. */
function isInside(root: string, real: string): boolean {
  const below = relative(root, real)
  return !isAbsolute(below) && below.split(sep).every(name => !name.startsWith('.'))
}

function isAbsent(error: unknown): boolean {
  return ABSENT.has((error as NodeJS.ErrnoException).code)
}

function versionOf({ dev, ino, size, ctimeNs }: BigIntStats): FileVersion {
  return { device: dev, inode: ino, bytes: size, changedNs: ctimeNs }
}

/**
 * A validator (RFC 9110 §8.8.3). Strong: another one when the file is written or replaced; systems count that time in
 * milliseconds. The time of the contents is not in it, nor is it told: where packages set it, it is the same in each release.
 */
export function entityTag({ version: { inode, bytes, changedNs } }: FoundFile): string {
  return `"${[inode, bytes, changedNs].map(part => part.toString(36)).join('-')}"`
}

/**
 * A part of it. The file is open only meanwhile, so that readers who take their time hold no descriptors.
 * @returns undefined: it is not what was found any more
 * @throws the system's error where the machine fails
 */
export async function readPart({ path, version }: FoundFile, start: number, end: number): Promise<Buffer | undefined> {
  try {
    const handle = await open(path, OPEN)
    try {
      const now = versionOf(await handle.stat({ bigint: true }))
      if (!isSame(now, version)) return undefined
      const part = Buffer.allocUnsafeSlow(end - start)
      for (let read = 0; read < part.length; ) {
        const { bytesRead } = await handle.read(part, read, part.length - read, start + read)
        if (bytesRead === 0) return undefined
        read += bytesRead
      }
      return part
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** A link or a pipe that has taken the place of the file meanwhile is not followed, and not waited for. */
const OPEN = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

function isSame(now: FileVersion, then: FileVersion): boolean {
  return (
    now.device === then.device &&
    now.inode === then.inode &&
    now.bytes === then.bytes &&
    now.changedNs === then.changedNs
  )
}
