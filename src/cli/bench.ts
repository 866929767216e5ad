/** `grpc-verbatim bench`: see `../bench`. The first signal ends the measuring, a second one ends the process at once. */
import type { Command } from 'commander'
import { runBench, UsageError } from '../bench/command.ts'
import type { BenchOptions } from '../bench/options.ts'
import { SIGNAL_NUMBERS } from './signals.ts'

export async function bench(options: BenchOptions, command: Command): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => (stop.signal.aborted ? process.exit(128 + SIGNAL_NUMBERS[signal]) : stop.abort()))
  }
  const { stderr } = process
  try {
    process.exitCode = await runBench(options, stop.signal, {
      out: console.log,
      error: console.error,
      // Over the line before: back to its beginning, and what is left of it is cleared.
      progress: stderr.isTTY ? line => void stderr.write(`\r\x1b[K${line}`) : undefined,
    })
  } catch (error) {
    if (error instanceof UsageError) command.error(`error: ${error.message}`)
    throw error
  }
}
