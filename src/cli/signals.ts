/** What signals do. The first SIGTERM, SIGINT or SIGQUIT drains the server, the second one ends it; no other ends it. */
import type { Logger } from 'pino'

export const SIGNAL_NUMBERS = { SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const
/** SIGQUIT as nginx has it: a graceful end. */
const DRAINING = Object.keys(SIGNAL_NUMBERS) as (keyof typeof SIGNAL_NUMBERS)[]

/**
 * Signals that are logged and do nothing else. By default SIGHUP and SIGUSR2 end a process, and SIGUSR1 opens Node's inspector, which
 * runs whatever its client sends. Envoy ignores SIGHUP, too.
 */
const IGNORED = {
  SIGHUP: 'the configuration cannot be reloaded while the proxy runs; it goes on with the one that it has',
  SIGUSR1: 'there are no log files to reopen; the inspector stays closed',
  SIGUSR2: 'it has no meaning here',
} as const

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
      process.exit(0)
    })
  }
  return () => draining
}

/** Says so in the log, at once: whoever sent the signal looks for its effect. */
export function ignoreOtherSignals(logger: Logger): void {
  for (const [signal, why] of Object.entries(IGNORED)) {
    process.on(signal, () => {
      logger.warn({ signal }, `${signal} is ignored: ${why}`)
      logger.flush()
    })
  }
}
