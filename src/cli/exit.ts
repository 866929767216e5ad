/** Exit codes. 0: done; 1: it cannot work; 2: it was called wrongly. */
import { CommanderError } from 'commander'
import { listenFailure } from '../config/listen-failure.ts'
import { ConfigError } from '../config/problems.ts'

/**
 * The exit code for what ended a command; says on standard error what went wrong, unless commander did so already.
 * @throws what nobody foresaw
 */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof ConfigError) {
    console.error(error.message)
    return 1
  }
  const sentence = listenFailure(error)
  if (sentence === undefined) throw error
  console.error(`grpc-verbatim: ${sentence}`)
  return 1
}
