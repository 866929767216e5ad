/** Exit codes. 0: done; 1: it cannot work; 2: it was called wrongly. */
import { CommanderError } from 'commander'
import { listenFailure } from '../config/listen-failure.ts'
import { ConfigError } from '../config/problems.ts'

/** Why a command cannot do what it should: its message is a sentence, and all that there is to say. */
export class Failure extends Error {
  override readonly name = 'Failure'
}

/** @returns what ended a command, as a sentence; undefined for what nobody foresaw */
export function sentenceOf(error: unknown): string | undefined {
  if (error instanceof ConfigError || error instanceof Failure) return error.message
  return listenFailure(error)
}

/**
 * The exit code for what ended a command; says on standard error what went wrong, unless commander did so already.
 * @throws what nobody foresaw
 */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const sentence = sentenceOf(error)
  if (sentence === undefined) throw error
  console.error(error instanceof ConfigError ? sentence : `grpc-verbatim: ${sentence}`)
  return 1
}
