/** Files that an option names, before they are read. */
import { statSync } from 'node:fs'
import { UsageError } from './problem.ts'

/**
 * Bytes of a file. What has no end, or waits for one, is read for ever, and Ctrl-C would not be heard; a directory is
 * left to who reads it, for the system's own word.
 * @throws UsageError for devices and pipes, and the system's error where there is nothing
 */
export function sizeOf(option: string, file: string): number {
  const kind = statSync(file)
  if (!kind.isFile() && !kind.isDirectory()) throw new UsageError(`${option}: ${file} is no regular file`)
  return kind.size
}
