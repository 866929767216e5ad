/** What signals do. The first SIGTERM, SIGINT or SIGQUIT drains the server, the second one ends it; no other ends it. */
import type { Logger } from 'pino'
import { reopenLogFiles } from '../observe/outputs.ts'

export const SIGNAL_NUMBERS = { SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const
/** SIGQUIT as nginx has it: a graceful end. */
const DRAINING = Object.keys(SIGNAL_NUMBERS) as (keyof typeof SIGNAL_NUMBERS)[]

/**
 * The first signal drains, within the grace period; a second one ends at once.
 * @param beforeExit after the drain
 * @returns whether the first has come
 */
export function drainOnSignals(server: { drain(): Promise<void> }, beforeExit?: () => Promise<void>): () => boolean {
  let draining = false
  for (const signal of DRAINING) {
    process.on(signal, async () => {
      if (draining) process.exit(128 + SIGNAL_NUMBERS[signal])
      draining = true
      await server.drain()
      await beforeExit?.()
      process.exit()
    })
  }
  return () => draining
}

/** Says so in the log, at once: whoever sent the signal looks for its effect. */
function ignore(logger: Logger, signal: string, why: string): void {
  logger.warn({ signal }, `${signal} is ignored: ${why}`)
  logger.flush()
}

/**
 * SIGUSR1 opens log files anew that somebody has moved. By default it opens Node's inspector, which runs whatever its
 * client sends.
 * @param workers that have log files, too
 */
export function reopenLogsOnSignal(logger: Logger, workers?: { reopenLogs(): void }): void {
  process.on('SIGUSR1', async () => {
    workers?.reopenLogs()
    const files = await reopenLogFiles(logger)
    if (files > 0 || workers !== undefined) return logger.flush()
    ignore(logger, 'SIGUSR1', 'there are no log files to reopen; the inspector stays closed')
  })
}

/**
 * SIGHUP reads the configuration file again. By default it would end the process, also where a terminal closes.
 * @param reloader undefined: there is no file
 */
export function reloadOnHangup(logger: Logger, reloader: { reload(why: string): unknown } | undefined): void {
  process.on('SIGHUP', () => {
    if (reloader === undefined) ignore(logger, 'SIGHUP', 'the proxy was started without a configuration file')
    else reloader.reload('SIGHUP')
  })
}
