/** Files that an option names, before they are read. */
import { statSync } from 'node:fs'
import { UsageError } from './problem.ts'

/**
 * The size of a file. A device or a pipe could be read forever, and Ctrl-C would not be heard. A directory is left to
 * the reader, so that the system's own error appears.
 * @throws UsageError for devices and pipes, and the system's error where there is nothing
 */
export function sizeOf(option: string, file: string): number {
  const kind = statSync(file)
  if (!kind.isFile() && !kind.isDirectory()) throw new UsageError(`${option}: ${file} is not a regular file`)
  return kind.size
}
