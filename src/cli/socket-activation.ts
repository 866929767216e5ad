/**
 * Sockets that systemd has opened for this process, as in sd_listen_fds(3): `LISTEN_FDS` of them from descriptor 3 on, for
 * the process `LISTEN_PID`, with the names `LISTEN_FDNAMES`. A configuration calls them `fd:name`.
 */
import { closeSync } from 'node:fs'
import type { Logger } from 'pino'
import { FIRST_FD, inheritSocket, takeOtherInherited } from '../transport/inherited-sockets.ts'

/** Removes the variables, so that no child believes that they are for it. */
export function inheritFromSystemd(environment: NodeJS.ProcessEnv = process.env, pid = process.pid): void {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete environment[name]
  if (Number(LISTEN_PID) !== pid) return
  const count = Number(LISTEN_FDS)
  if (!Number.isInteger(count)) return
  const names = LISTEN_FDNAMES?.split(':') ?? []
  for (let i = 0; i < count; i++) inheritSocket(`fd:${names[i] || FIRST_FD + i}`, FIRST_FD + i)
}

/** Whoever connects to a socket that nobody serves would wait for ever. */
export function closeUnused(log: Logger): void {
  for (const [name, fd] of takeOtherInherited()) {
    log.warn(
      { socket: name },
      `the socket ${name} was open when the process began, and nothing is to listen on it: it is closed`,
    )
    closeSync(fd)
  }
}
