/** The log: pino, JSON lines, or lines for people in a terminal. */
import { type DestinationStream, type Logger, pino } from 'pino'
import pretty from 'pino-pretty'

export interface LogOptions {
  readonly level: string
  /** `auto`: in a terminal. */
  readonly pretty: boolean | 'auto'
}

/** JSON lines are written in blocks of this size: a write a line would cost more than the line. */
const BLOCK_BYTES = 4096
/** A line waits no longer than this for its block to fill. */
const FLUSH_MS = 1_000

/**
 * Logs to standard output. The proxy logs no header values but `:path` and `:authority`, and those
 * only as JSON strings; fields of the names below are hidden wherever somebody else logs them.
 */
export function createLogger({ level, pretty: forPeople }: LogOptions): Logger {
  const options = {
    level,
    base: undefined,
    redact: [
      'authorization',
      'cookie',
      'metadata.authorization',
      'metadata.cookie',
      'headers.authorization',
      'headers.cookie',
    ],
  }
  if (forPeople === 'auto' ? process.stdout.isTTY === true : forPeople) {
    return pino(options, pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l' }) as DestinationStream)
  }
  const destination = pino.destination({ sync: false, minLength: BLOCK_BYTES, periodicFlush: FLUSH_MS })
  return pino(options, destination)
}
