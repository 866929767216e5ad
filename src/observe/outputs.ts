/** The ends of the logs of this process: standard output, and files. Whatever number of loggers writes there, each is one. */
import type { Logger } from 'pino'
import { systemClock } from '../transport/clock.ts'
import { FileSink } from './file-sink.ts'
import { LogDestination } from './log-destination.ts'
import { type LogSink, openSink } from './log-sink.ts'
import { RotatingSink, type Rotation } from './rotating-sink.ts'

export const STDOUT = 1
const STDERR = 2
/** A reader that lives takes the last lines of a process within this time; for one that does not nobody waits longer. */
const LAST_LINES_MS = 1_000

/** A file that a log goes to. */
export interface LogFile {
  /** Absolute. */
  readonly path: string
  /** Of a file that is made. */
  readonly mode: number
  /** Undefined: whoever else rotates it says so, by SIGUSR1. */
  readonly rotate?: Rotation | undefined
}

/** A sink that can be told that its file has been moved. */
interface FileLike extends LogSink {
  reopen(done: (error?: Error) => void): void
}

export class Output {
  readonly destination: LogDestination
  readonly file: FileLike | undefined
  /** What it is called where there is trouble with it. */
  readonly #name: string
  /** Says, once lines are taken again, how many were not. */
  #teller: Logger | undefined

  constructor(name: string, maxBufferedBytes: number, file?: FileLike) {
    this.#name = name
    this.file = file
    const owner = {
      onTrouble: (error?: Error) => this.#sayTrouble(error),
      onResumed: (dropped: number) => this.#tellDropped(dropped),
    }
    this.destination = new LogDestination(() => file ?? openSink(STDOUT), systemClock, owner, maxBufferedBytes)
    process.on('exit', () => this.#finish())
  }

  /** The first logger that may warn tells of gaps. */
  tellGapsBy(logger: Logger): void {
    if (this.#teller === undefined && logger.isLevelEnabled('warn')) this.#teller = logger
  }

  #tellDropped(droppedLines: number): boolean {
    this.#teller?.warn({ droppedLines }, 'lines of the log were dropped here: it was not read, or could not be written')
    return this.#teller !== undefined
  }

  #sayTrouble(error?: Error): void {
    const what =
      error === undefined
        ? `${this.#name} is read too slowly or not at all`
        : `${this.#name} cannot be written (${error.message})`
    say(`${what}: lines that find no room in its buffer are dropped and counted, and the proxy goes on`)
  }

  #finish(): void {
    const lost = this.destination.finish()
    if (lost > 0) say(`${lost} ${lost === 1 ? 'line' : 'lines'} of ${this.#name} could not be written`)
  }

  /** Resolves when it is there again, or cannot be. */
  reopen(): Promise<Error | undefined> {
    return new Promise(resolve => {
      this.file!.reopen(error => {
        // What it could not take before it may take now.
        this.destination.tryAgain()
        resolve(error)
      })
    })
  }
}

let standard: Output | undefined
/** By path. */
const files = new Map<string, Output>()
let stderr: LogSink | undefined

function all(): Output[] {
  return standard === undefined ? [...files.values()] : [standard, ...files.values()]
}

/** @param maxBufferedBytes of several that share it the largest holds */
function standardOutput(maxBufferedBytes: number): Output {
  standard ??= new Output('the log', maxBufferedBytes)
  return atLeast(standard, maxBufferedBytes)
}

function fileOutput({ path, mode, rotate }: LogFile, maxBufferedBytes: number): Output {
  let output = files.get(path)
  if (output === undefined) {
    const sink = rotate === undefined ? new FileSink(path, mode) : new RotatingSink(path, mode, rotate)
    output = new Output(`the log ${path}`, maxBufferedBytes, sink)
    files.set(path, output)
  }
  return atLeast(output, maxBufferedBytes)
}

/** @param file undefined: standard output */
export function outputOf(file: LogFile | undefined, maxBufferedBytes: number): Output {
  return file === undefined ? standardOutput(maxBufferedBytes) : fileOutput(file, maxBufferedBytes)
}

function atLeast(output: Output, maxBufferedBytes: number): Output {
  const { destination } = output
  destination.maxBufferedBytes = Math.max(destination.maxBufferedBytes, maxBufferedBytes)
  return output
}

/** Lines of all logs that were dropped since the process began. */
export function droppedLogLines(): number {
  let dropped = 0
  for (const { destination } of all()) dropped += destination.droppedLines
  return dropped
}

/**
 * The files were moved: lines from now on go to new ones of their names. The log says what became of each.
 * @returns how many there are
 */
export async function reopenLogFiles(log: Logger): Promise<number> {
  await Promise.all(
    [...files].map(async ([file, output]) => {
      const error = await output.reopen()
      if (error === undefined) log.info({ file }, 'the log file is opened again')
      else log.error({ file, err: error }, 'the log file cannot be opened again: the one that is open goes on')
    }),
  )
  return files.size
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
    let left = all().length
    if (left === 0) return resolve()
    // Not the proxy's clock, whose timers let the process end.
    const timer = setTimeout(resolve, LAST_LINES_MS)
    for (const { destination } of all()) {
      destination.flush(() => {
        left--
        if (left > 0) return
        clearTimeout(timer)
        resolve()
      })
    }
  })
}
