/**
 * The command as a report shows it: it repeats the run, but hides what may be secret. Secret are metadata, and a
 * message that is part of the command itself.
 */
import { shellText } from './argument.ts'
import { isInline } from './message.ts'
import { isSecret, parseMetadata, REDACTED } from './metadata.ts'
import type { BenchOptions } from './options.ts'

/**
 * The options were checked before.
 * @param messageBytes of the message, without gRPC's prefix
 */
export function commandLine(options: BenchOptions, messageBytes: number): string {
  const shown = (name: string, value: string): string => {
    if (name === 'metadata') return shownField(value)
    return name === 'message' ? shownMessage(value, messageBytes) : value
  }
  const words = Object.entries(options as Readonly<Record<string, string | readonly string[]>>).flatMap(
    ([name, value]) => [value].flat().flatMap(one => [`--${dashed(name)}`, shown(name, one)]),
  )
  return shellText(['grpc-verbatim', 'bench', ...words])
}

/** `json:[7 bytes]`; the name of a file stays. */
function shownMessage(given: string, messageBytes: number): string {
  if (!isInline(given)) return given
  return `${given.slice(0, given.indexOf(':') + 1)}[${messageBytes} byte${messageBytes === 1 ? '' : 's'}]`
}

function shownField(field: string): string {
  const [{ name, value } = { name: '', value: '' }] = parseMetadata([field])
  return `${name}: ${isSecret(name) ? REDACTED : value}`
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}
