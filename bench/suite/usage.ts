/** Mistakes on the command line are reported in a sentence, without a stack. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from '../../src/bench/problem.ts'

/** The same as `parseArgs`. @throws UsageError for what it does not know */
export function parsed<Config extends ParseArgsConfig>(config: Config): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config)
  } catch (error) {
    // The rest of its message is about writing `--` in front.
    throw new UsageError((error as Error).message.split('. ')[0]!)
  }
}

/**
 * Something that was asked for and is missing, or a file that cannot be written, is a mistake of the caller. @throws
 * UsageError
 */
export function usage<Value>(action: () => Value): Value {
  try {
    return action()
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    const isSystem = code !== undefined && /^E[A-Z]+$/.test(code)
    throw error instanceof RangeError || isSystem ? new UsageError(message) : error
  }
}

/**
 * The exit code of a program of the suite: 2 for a mistake on the command line, which is printed with the help behind
 * it.
 */
export async function exitCodeOf(main: () => Promise<number>, help: string): Promise<number> {
  try {
    return await main()
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n${help}`)
    return 2
  }
}
