/** Exit codes. 0: done; 1: it cannot work; 2: it was called wrongly. */
import { CommanderError } from 'commander'
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

const LISTEN_FAILURES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use, by another process or another listener',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'this machine does not have the address',
  ENOTFOUND: 'the host name cannot be resolved',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ENOENT: 'the folder of the socket does not exist',
  ENOTSOCK: 'there is a file that is not a socket, and it stays as it is',
}

/** A sentence for the system's error when an address is not available. */
function listenFailure(error: unknown): string | undefined {
  const { code, address, hostname, port } = error as Record<'code' | 'address' | 'hostname', string | undefined> & {
    port?: number
  }
  const reason = LISTEN_FAILURES[code ?? '']
  if (reason === undefined) return undefined
  const host = address ?? hostname ?? ''
  const where = port === undefined || port < 0 ? host : host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return `cannot listen on ${where}: ${reason} (${code})`
}
