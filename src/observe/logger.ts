/** The log: pino's JSON lines, or lines for people in a terminal. */
import { isatty } from 'node:tty'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { LogDestination } from './log-destination.ts'
import { shownError } from './log-fields.ts'
import { type LogFile, outputOf, STDOUT } from './outputs.ts'
import { prettyLine } from './pretty.ts'

export interface LogOptions {
  readonly level: string
  /** `auto`: in a terminal. */
  readonly pretty: boolean | 'auto'
  /** What waits at most while a destination takes nothing. */
  readonly maxBufferedBytes: number
  /** Instead of standard output. */
  readonly file?: LogFile | undefined
  /** Each line says it, where several processes write to one place. */
  readonly worker?: number
}

/**
 * Logs to standard output, or to a file. Of what clients and backends send the proxy logs `:path`, `:authority` and `grpc-message`,
 * each cut at a bound; fields of the names below are hidden wherever somebody else logs them.
 */
export function createLogger({ level, pretty, maxBufferedBytes, file, worker }: LogOptions): Logger {
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
  const terminal = file === undefined && isatty(STDOUT)
  const output = outputOf(file, maxBufferedBytes)
  const { destination } = output
  const forPeople = pretty === 'auto' ? terminal : pretty
  const logger = pino(options, forPeople ? prettyOnto(destination, terminal && !process.env.NO_COLOR) : destination)
  output.tellGapsBy(logger)
  return logger
}

/** Records of calls alone, as JSON. They have no level of their own to be left out by. */
export function createAccessLogger(file: LogFile, { maxBufferedBytes, worker }: LogOptions): Logger {
  const output = outputOf(file, maxBufferedBytes)
  const logger = pino({ base: worker === undefined ? undefined : { worker } }, output.destination)
  output.tellGapsBy(logger)
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
