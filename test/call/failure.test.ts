/** The table of failures, and what docs/statuses.md says of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { failureOf, messageOf } from '../../src/call/failure.ts'
import { FAILURES, type FailureKind, type FailureToken } from '../../src/call/failure-table.ts'
import { markdownTables, TABLES_BEGIN, TABLES_END, withTables } from '../../src/config/failure-reference.ts'
import { Status, type StatusCode } from '../../src/grpc/status.ts'
import { ErrorCode } from '../../src/wire/errors.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/statuses.md'), 'utf8')
const KINDS = Object.entries(FAILURES) as [FailureToken, FailureKind][]

t.test('the tables of docs/statuses.md are those of the code', async t => {
  t.equal(withTables(page), page, 'run: node src/config/failure-reference.ts --page docs/statuses.md')
  const operate = readFileSync(join(import.meta.dirname, '../../docs/operate.md'), 'utf8')
  t.equal(withTables(operate), operate, 'run: node src/config/failure-reference.ts --page docs/operate.md')
})

t.test('the tables replace what is between the markers, and nothing else', async t => {
  const updated = withTables(`before\n${TABLES_BEGIN}\nold\n${TABLES_END}\nafter\n`)!
  t.equal(updated, `before\n${TABLES_BEGIN}\n\n${markdownTables()}\n\n${TABLES_END}\nafter\n`)
  t.equal(withTables(updated), updated)
  t.equal(withTables('no markers'), undefined)
})

t.test('every token has a row that says what happened, and which status it has', async t => {
  const rows = markdownTables().split('\n')
  for (const [token] of KINDS) {
    const row = rows.find(row => row.startsWith(`| \`${token}\` |`))
    t.match(row, /^\| [^|]+ \| [^|]{10,} \| [^|]{5,} \|/, token)
  }
  t.ok(rows.includes('| CANCEL | CANCELLED |'))
})

// gRFC A54: these are for an application to give, and a proxy that makes one of them speaks in its name.
t.test('no failure has a status that is only for applications', async t => {
  const theirs: StatusCode[] = [
    ...[Status.OK, Status.INVALID_ARGUMENT, Status.NOT_FOUND, Status.ALREADY_EXISTS, Status.FAILED_PRECONDITION],
    ...[Status.ABORTED, Status.OUT_OF_RANGE, Status.DATA_LOSS],
  ]
  for (const [token] of KINDS) t.notOk(theirs.includes(failureOf(token).status), token)
})

// RFC 9113 §8.7: REFUSED_STREAM says that the stream was "closed prior to any processing having occurred".
t.test('only what can be sent again is refused, and no failure within a response looks like no error', async t => {
  for (const [token, { code, retryable }] of KINDS) {
    if (code === ErrorCode.REFUSED_STREAM) t.ok(retryable, token)
    t.not(failureOf(token).code, ErrorCode.NO_ERROR, token)
  }
})

t.test('a failure is what its kind says, but for its own details', async t => {
  t.same(failureOf('deadline'), {
    token: 'deadline',
    status: Status.DEADLINE_EXCEEDED,
    message: 'deadline exceeded at the proxy',
    code: ErrorCode.CANCEL,
    cause: '',
    http: undefined,
  })
  const own = { status: Status.UNKNOWN, message: 'another', code: ErrorCode.NO_ERROR, cause: 'why', http: 400 }
  t.same(failureOf('deadline', own), { token: 'deadline', ...own })
})

t.test('a detail stands in the message as it is', async t => {
  t.equal(failureOf('no-route', { detail: "/a.B/$&$'…" }).message, "no route for /a.B/$&$'…")
  t.equal(messageOf(failureOf('no-route', { detail: `/${'a'.repeat(1_000)}` })).length, 512)
  t.equal(messageOf(failureOf('denied', { message: 'wait…' })), 'wait%E2%80%A6')
})
