/**
 * What the table of failures says, for people: the tables of docs/statuses.md.
 *
 * `node src/config/failure-reference.ts --page docs/statuses.md` writes them anew.
 */
import { FAILURES, type FailureKind } from '../call/failure.ts'
import { statusName, statusOfReset } from '../grpc/status.ts'
import { ErrorCode, errorCodeName } from '../wire/errors.ts'
import { pageCommand, tableRow, withPart } from './page-part.ts'

export const TABLES_BEGIN = '<!-- failures:begin -->'
export const TABLES_END = '<!-- failures:end -->'
const MARKS = { begin: TABLES_BEGIN, end: TABLES_END }

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
  return withPart(page, MARKS, `\n\n${markdownTables()}\n\n`)
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
  return [tableRow(heads), `|${'---|'.repeat(heads.length)}`, ...rows.map(tableRow)].join('\n')
}

pageCommand(import.meta.url, 'src/config/failure-reference.ts --page docs/statuses.md', MARKS, withTables)
