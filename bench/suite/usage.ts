/** What was typed wrong is said in a sentence, and not with a stack. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { UsageError } from '../../src/bench/problem.ts'

/** As `parseArgs`. @throws UsageError for what it does not know */
export function parsed<Config extends ParseArgsConfig>(config: Config): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config)
  } catch (error) {
    // What it says after the first sentence is about writing `--` in front.
    throw new UsageError((error as Error).message.split('. ')[0]!)
  }
}

/** What was asked for and is not there, or cannot be written, is the asker's affair. @throws UsageError for these */
export function usage<Value>(action: () => Value): Value {
  try {
    return action()
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    const isSystem = code !== undefined && /^E[A-Z]+$/.test(code)
    throw error instanceof RangeError || isSystem ? new UsageError(message) : error
  }
}

/** Of a program of the suite: 2 for what was typed wrong, which is said with the help behind it. */
export async function exitCodeOf(main: () => Promise<number>, help: string): Promise<number> {
  try {
    return await main()
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n${help}`)
    return 2
  }
}
