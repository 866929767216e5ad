/**
 * What the tables of failures say, for people: which status each becomes (docs/statuses.md), and what to do
 * (docs/operate.md).
 *
 * `node src/config/failure-reference.ts --page docs/statuses.md` writes them anew; the same with docs/operate.md.
 */
import { FAILURES, type FailureKind } from '../call/failure-table.ts'
import { statusName, statusOfReset } from '../grpc/status.ts'
import { CONNECT_FAILURES } from '../transport/connect-failure.ts'
import { ErrorCode, errorCodeName } from '../wire/errors.ts'
import { pageCommand, tableRow, withPart } from './page-part.ts'

export const TABLES_BEGIN = '<!-- failures:begin -->'
export const TABLES_END = '<!-- failures:end -->'
const MARKS = { begin: TABLES_BEGIN, end: TABLES_END }
const ADVICE_MARKS = { begin: '<!-- advice:begin -->', end: '<!-- advice:end -->' }

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
  return (
    withPart(page, MARKS, `\n\n${markdownTables()}\n\n`) ?? withPart(page, ADVICE_MARKS, `\n\n${adviceTables()}\n\n`)
  )
}

/** From what a line of the log has to what is wrong and what to do. */
function adviceTables(): string {
  const reasons = Object.entries<FailureKind>(FAILURES).map(([token, { what, advice = '' }]) => {
    return [`\`${token}\``, what.replaceAll('](#', '](statuses.md#'), advice]
  })
  return [
    table(
      ['`problem`', 'what to do'],
      CONNECT_FAILURES.map(({ kind, advice }) => [`\`${kind}\``, advice]),
    ),
    table(['`reason`', 'what happened', 'what to do'], reasons),
  ].join('\n\n')
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

void pageCommand(import.meta.url, 'src/config/failure-reference.ts --page docs/statuses.md', MARKS, withTables)
