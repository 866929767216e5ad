/**
 * What is kept between two starts: the key of the account, and each certificate with its key, as PEM. A certificate and its
 * key are one file, so that there is no moment in which they do not belong together.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** How far the tries for a certificate have come. It outlives the process, or one that starts again and again asks too often. */
export interface Tries {
  /** In a row. */
  readonly failures: number
  /** By the clock on the wall. */
  readonly notBeforeMs: number
}

const NONE: Tries = { failures: 0, notBeforeMs: 0 }

export function triesFile(file: string): string {
  return `${file}.tries`
}

/** A note that cannot be read is none: where it cannot be written either, nothing is asked for. */
export async function readTries(file: string): Promise<Tries> {
  try {
    const { failures, notBeforeMs } = JSON.parse(await readFile(triesFile(file), 'utf8')) as Tries
    return Number.isSafeInteger(failures) && failures >= 0 && Number.isFinite(notBeforeMs)
      ? { failures, notBeforeMs }
      : NONE
  } catch {
    return NONE
  }
}

export async function writeTries(file: string, tries: Tries): Promise<void> {
  if (tries.failures === 0) await rm(triesFile(file), { force: true })
  else await writePrivate(triesFile(file), JSON.stringify(tries))
}

/** Undefined: there is none. @throws what else keeps it from being read */
export async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** For its owner only, and whole: who reads it meanwhile, or after a crash, gets what was there before, or this. */
export async function writePrivate(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const beside = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const handle = await open(beside, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(beside, file)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}
