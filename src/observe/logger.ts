/** The log: pino's JSON lines, or lines for people in a terminal. */
import { isatty } from 'node:tty'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { LogDestination } from './log-destination.ts'
import { shownError } from './log-fields.ts'
import { prettyLine } from './pretty.ts'
import { STDOUT, standardOutput, tellGapsBy } from './standard-output.ts'

export interface LogOptions {
  readonly level: string
  /** `auto`: in a terminal. */
  readonly pretty: boolean | 'auto'
  /** What waits at most while standard output takes nothing. */
  readonly maxBufferedBytes: number
  /** Each line says it, where several processes write to one place. */
  readonly worker?: number
}

/**
 * Logs to standard output. Of what clients and backends send the proxy logs `:path`, `:authority` and `grpc-message`,
 * each cut at a bound; fields of the names below are hidden wherever somebody else logs them.
 */
export function createLogger({ level, pretty, maxBufferedBytes, worker }: LogOptions): Logger {
  const options = {
    level,
    base: worker === undefined ? undefined : { worker },
    serializers: { err: (error: Error) => shownError(pino.stdSerializers.err(error)) },
    redact: [
      'authorization',
      'cookie',
      'metadata.authorization',
      'metadata.cookie',
      'headers.authorization',
      'headers.cookie',
    ],
  }
  const terminal = isatty(STDOUT)
  const output = standardOutput(maxBufferedBytes)
  const forPeople = pretty === 'auto' ? terminal : pretty
  const logger = pino(options, forPeople ? prettyOnto(output, terminal && !process.env.NO_COLOR) : output)
  tellGapsBy(logger)
  return logger
}

/** Each line at once: somebody looks on. */
function prettyOnto(output: LogDestination, colours: boolean): DestinationStream {
  const destination = {
    write(json: string) {
      output.write(prettyLine(json, colours))
      output.flush()
    },
    flush: (done?: (error?: Error) => void) => output.flush(done),
    flushSync: () => output.flushSync(),
  }
  return destination
}
