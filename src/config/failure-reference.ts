/**
 * What the table of failures says, for people: the tables of docs/statuses.md.
 *
 * `node src/call/failure-reference.ts --page docs/statuses.md` writes them anew.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { statusName, statusOfReset } from '../grpc/status.ts'
import { ErrorCode, errorCodeName } from '../wire/errors.ts'
import { FAILURES, type FailureKind } from './failure.ts'

export const TABLES_BEGIN = '<!-- failures:begin -->'
export const TABLES_END = '<!-- failures:end -->'

/** Below it is what the notes of two failures point at. */
const RESETS = 'When the backend resets a stream'

/** All tokens, and below them what becomes of a reset of the backend's. */
export function markdownTables(): string {
  return [
    table(
      ['token', 'what happened', 'grpc-status', 'grpc-message', 'RST_STREAM', 'try again', '`cause` in the log'],
      Object.entries(FAILURES).map(([token, kind]) => rowOf(token, kind)),
    ),
    `### ${RESETS}`,
    'Before its response, or within it, which then ends with:',
    table(['RST_STREAM', 'grpc-status'], resetRows()),
  ].join('\n\n')
}

/**
 * The page with new tables between its markers.
 * @returns undefined when it has no markers
 */
export function withTables(page: string): string | undefined {
  const begin = page.indexOf(TABLES_BEGIN)
  const end = page.indexOf(TABLES_END, begin)
  if (begin === -1 || end === -1) return undefined
  return `${page.slice(0, begin + TABLES_BEGIN.length)}\n\n${markdownTables()}\n\n${page.slice(end)}`
}

function rowOf(token: string, kind: FailureKind): string[] {
  const status = kind.statusNote ?? (kind.status === undefined ? '' : statusName(kind.status))
  const code = kind.codeNote ?? (kind.code === undefined ? '' : errorCodeName(kind.code))
  return [`\`${token}\``, kind.what, status, kind.message, code, kind.retryable ? 'yes' : '', kind.causeNote ?? '']
}

/** Codes with the same status share a row, in the order of the first of them. */
function resetRows(): string[][] {
  const codes = new Map<string, string[]>()
  for (const [name, code] of Object.entries(ErrorCode)) {
    const status = statusName(statusOfReset(code))
    codes.set(status, [...(codes.get(status) ?? []), name])
  }
  const unknown = statusName(statusOfReset(Object.keys(ErrorCode).length))
  codes.set(unknown, [...(codes.get(unknown) ?? []), 'any other code'])
  return [...codes].map(([status, names]) => [names.join(', '), status])
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(heads), `|${'---|'.repeat(heads.length)}`, ...rows.map(line)].join('\n')
}

function main(args: readonly string[]): void {
  const [option, file] = args
  if (option !== '--page' || file === undefined) {
    console.error('usage: node src/call/failure-reference.ts --page docs/statuses.md')
    process.exitCode = 2
    return
  }
  const updated = withTables(readFileSync(file, 'utf8'))
  if (updated === undefined) {
    console.error(`${file} has no ${TABLES_BEGIN} … ${TABLES_END}`)
    process.exitCode = 1
    return
  }
  writeFileSync(file, updated)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  main(process.argv.slice(2))
