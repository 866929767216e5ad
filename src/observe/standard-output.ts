/** The log's end of standard output: one for the process, whatever number of proxies and loggers is in it. */
import type { Logger } from 'pino'
import { systemClock } from '../transport/clock.ts'
import { LogDestination } from './log-destination.ts'
import { type LogSink, openSink } from './log-sink.ts'

export const STDOUT = 1
const STDERR = 2
/** A reader that lives takes the last lines of a process within this time; for one that does not nobody waits longer. */
const LAST_LINES_MS = 1_000

let output: LogDestination | undefined
let stderr: LogSink | undefined
/** Says, once lines are taken again, how many were not. */
let teller: Logger | undefined

/** @param maxBufferedBytes of several that share it the largest holds */
export function standardOutput(maxBufferedBytes: number): LogDestination {
  if (output !== undefined) {
    output.maxBufferedBytes = Math.max(output.maxBufferedBytes, maxBufferedBytes)
    return output
  }
  const owner = { onTrouble: sayTrouble, onResumed: tellDropped }
  const made = new LogDestination(() => openSink(STDOUT), systemClock, owner, maxBufferedBytes)
  process.on('exit', () => {
    const lost = made.finish()
    if (lost > 0) say(`${lost} ${lost === 1 ? 'line' : 'lines'} of the log could not be written`)
  })
  output = made
  return made
}

/** Lines of the log that were dropped since the process began. */
export function droppedLogLines(): number {
  return output?.droppedLines ?? 0
}

/** The first logger that may warn tells of gaps. */
export function tellGapsBy(logger: Logger): void {
  if (teller === undefined && logger.isLevelEnabled('warn')) teller = logger
}

function tellDropped(droppedLines: number): boolean {
  teller?.warn({ droppedLines }, 'lines of the log were dropped here: it was not read, or could not be written')
  return teller !== undefined
}

function sayTrouble(error?: Error): void {
  const what =
    error === undefined ? 'the log is read too slowly or not at all' : `the log cannot be written (${error.message})`
  say(`${what}: lines that find no room in its buffer are dropped and counted, and the proxy goes on`)
}

/** On standard error; it may be as stuck as the log is. */
function say(text: string): void {
  const bytes = Buffer.from(`grpc-verbatim: ${text}\n`)
  try {
    stderr ??= openSink(STDERR)
    stderr.writeSync(bytes)
  } catch {
    // There is nowhere left to say it.
  }
}

/** Resolves when the lines so far are written, or cannot be, or nobody takes them. */
export function lastLinesWritten(): Promise<void> {
  return new Promise(resolve => {
    if (output === undefined) return resolve()
    // Not the proxy's clock, whose timers let the process end.
    const timer = setTimeout(resolve, LAST_LINES_MS)
    output.flush(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
