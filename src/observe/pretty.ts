/** A log line for people: one line of text for each line of the log, and an error's stack below it. */
import { levels } from 'pino'

/** ANSI colours, by level from 10 on. */
const COLOURS: Readonly<Record<number, string>> = { 10: '90', 20: '34', 30: '32', 40: '33', 50: '31', 60: '41' }
/** As long as the longest level's. */
const LEVEL_WIDTH = 5

interface Line extends Record<string, unknown> {
  readonly level: number
  readonly time: number
  readonly msg?: string
}

/** @param json a line of pino's, with its newline */
export function prettyLine(json: string, colours: boolean): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as Line
  const name = (levels.labels[level] ?? String(level)).toUpperCase().padEnd(LEVEL_WIDTH)
  const paint = (text: string, code: string | undefined) =>
    colours && code !== undefined ? `\x1b[${code}m${text}\x1b[0m` : text
  let text = `${clockTime(new Date(time))} ${paint(name, COLOURS[level])} ${oneLine(msg ?? '')}`
  let below = ''
  for (const [key, value] of Object.entries(fields)) {
    if (isError(value)) {
      text += ` ${paint(`${key}=`, '2')}${shown(value.message)}`
      below += stackOf(value)
    } else text += ` ${paint(`${key}=`, '2')}${shown(value)}`
  }
  return `${text}\n${below}`
}

function clockTime(at: Date): string {
  const two = (number: number) => String(number).padStart(2, '0')
  const seconds = `${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`
  return `${two(at.getHours())}:${two(at.getMinutes())}:${seconds}`
}

/** As it is where it has neither spaces nor quotes nor anything that a terminal obeys; else as JSON. */
function shown(value: unknown): string {
  return typeof value === 'string' && /^[^\s"\\=\p{Cc}]+$/u.test(value) ? value : JSON.stringify(value)
}

/** Without breaks and other control characters: strangers wrote parts of it. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are looked for
  return /[\0-\x1f]/.test(text) ? JSON.stringify(text).slice(1, -1) : text
}

/** As pino writes it. */
interface LoggedError {
  readonly message: string
  readonly stack: string
}

function isError(value: unknown): value is LoggedError {
  const { message, stack } = (value ?? {}) as Partial<Record<string, unknown>>
  return typeof message === 'string' && typeof stack === 'string'
}

/** Its calls; what is above them says the message again. */
function stackOf({ stack }: LoggedError): string {
  const calls = stack.split('\n').filter(line => /^\s*at /.test(line))
  return calls.map(line => `    ${oneLine(line.trim())}\n`).join('')
}
