/**
 * The file that tells which process is in charge, for whoever sends signals: `kill -USR2 $(cat FILE)`. It is written anew
 * each time that this is decided: by a process that has begun to serve, and by one that goes on because its successor
 * failed. So who waits for a decision looks whether it is another file.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import type { CommandLine } from './succession.ts'

/** Others may neither have written it nor change it. */
const WRITABLE_BY_OTHERS = 0o022

export class PidFile {
  readonly #path: string
  /** What the next successor is to be, written by whoever asks for one. */
  readonly nextPath: string

  constructor(path: string) {
    this.#path = path
    this.nextPath = `${path}.next`
  }

  /** @throws the system's error */
  checkWritable(): void {
    unlinkSync(this.#writeFresh())
  }

  /** @throws the system's error */
  write(): void {
    renameSync(this.#writeFresh(), this.#path)
  }

  #writeFresh(): string {
    const fresh = `${this.#path}.${process.pid}`
    writeFileSync(fresh, `${process.pid}\n`, { mode: 0o644 })
    return fresh
  }

  /** Removes it, if this process is in charge. */
  remove(): void {
    try {
      if (this.pid() === process.pid) unlinkSync(this.#path)
    } catch {
      // The folder may have become read-only. The file names a process that is gone, which readers check.
    }
  }

  /** @returns undefined where there is no such file, or none that names a process */
  pid(): number | undefined {
    try {
      const pid = Number(readFileSync(this.#path, 'utf8'))
      return Number.isInteger(pid) && pid > 1 ? pid : undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  /** Which file it is now. */
  identity(): string | undefined {
    try {
      const fd = openSync(this.#path, 'r')
      const { ino, ctimeNs } = fstatSync(fd, { bigint: true })
      closeSync(fd)
      return `${ino} ${ctimeNs}`
    } catch {
      return undefined
    }
  }

  /** @throws the system's error */
  writeNext(line: CommandLine): void {
    const fresh = `${this.nextPath}.${process.pid}`
    writeFileSync(fresh, JSON.stringify(line), { mode: 0o600, flag: 'wx' })
    renameSync(fresh, this.nextPath)
  }

  /**
   * Takes what was asked for.
   * @returns undefined: nothing was, so the successor is what this process is
   * @throws Error where somebody else may have written it: it is a program that would be run
   */
  takeNext(): CommandLine | undefined {
    let fd: number
    try {
      fd = openSync(this.nextPath, constants.O_RDONLY | constants.O_NOFOLLOW)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    try {
      unlinkSync(this.nextPath)
      const { uid, mode } = fstatSync(fd)
      const isOurs = uid === 0 || uid === process.geteuid?.()
      if (!isOurs || (mode & WRITABLE_BY_OTHERS) !== 0)
        throw new Error(`${this.nextPath} is not used: another user may have written it`)
      return JSON.parse(readFileSync(fd, 'utf8'))
    } finally {
      closeSync(fd)
    }
  }
}
