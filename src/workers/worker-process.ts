/** What a primary starts as a process: a worker. */
import type { Socket } from 'node:net'
import type { ToWorker } from './messages.ts'
import { Worker } from './worker.ts'

const worker = new Worker({
  // Where the primary is gone, `disconnect` says so.
  tell: message => void process.send?.(message, () => {}),
  end: code => process.exit(code),
})

process.on('message', (message, socket) => worker.hear(message as ToWorker, socket as Socket | undefined))
process.on('disconnect', () => void worker.orphaned())
process.on('uncaughtException', error => worker.failed(error))
/**
 * What a signal means is the primary's to say: Ctrl-C in a terminal goes to all processes, and so does what systemd sends
 * to a service.
 */
for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)
  process.on(signal, () => {})
