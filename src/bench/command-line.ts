/** The command as a report shows it: what repeats the run, without what is secret. */
import { isSecret, parseMetadata, REDACTED } from './metadata.ts'
import type { BenchOptions } from './options.ts'

/** Its metadata was checked before. */
export function commandLine(options: BenchOptions): string {
  const words = Object.entries(options as Readonly<Record<string, string | readonly string[]>>).flatMap(
    ([name, value]) => [value].flat().flatMap(one => [`--${dashed(name)}`, name === 'metadata' ? shown(one) : one]),
  )
  return ['grpc-verbatim', 'bench', ...words].map(quoted).join(' ')
}

function shown(field: string): string {
  const [{ name, value } = { name: '', value: '' }] = parseMetadata([field])
  return `${name}: ${isSecret(name) ? REDACTED : value}`
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

/** For a POSIX shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll(`'`, `'\\''`)}'`
}
