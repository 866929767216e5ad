#!/usr/bin/env node
/** The command line, as the package's `bin` starts it. */
import { commandLine } from './cli/commands.ts'
import { exitCodeOf } from './cli/exit.ts'

try {
  await commandLine().parseAsync()
} catch (error) {
  process.exitCode = exitCodeOf(error)
}
