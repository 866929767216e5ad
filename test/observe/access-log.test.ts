import { pino } from 'pino'
import t from 'tap'
import type { CallRecord } from '../../src/call/record.ts'
import { MessageCounter } from '../../src/grpc/message.ts'
import { accessLog } from '../../src/observe/access-log.ts'

function counter(bytes: number, messages: number): MessageCounter {
  return Object.assign(new MessageCounter(), { bytes, messages })
}

function record(facts: Partial<CallRecord> = {}): CallRecord {
  return {
    startMs: 1_000,
    durationMs: 12.34567,
    peer: '192.0.2.9:1234',
    authority: 'api.example.com',
    path: '/pkg.Service/Method',
    backend: 'main',
    endpoint: 'http://192.0.2.1:50051',
    status: 0,
    endedBy: 'backend',
    reason: '',
    request: counter(7, 1),
    response: counter(30, 3),
    retries: 0,
    ...facts,
  }
}

/** What is written for a record: the text, and the line that it is. */
function logged(facts: Partial<CallRecord> = {}): { text: string; line: Record<string, unknown> } {
  const lines: string[] = []
  const log = accessLog(pino({ base: undefined }, { write: (line: string) => void lines.push(line) }))
  log!(record(facts))
  if (lines.length !== 1) throw new Error(`${lines.length} lines`)
  return { text: lines[0]!, line: JSON.parse(lines[0]!) }
}

t.test('a line: the very fields, and no others', async t => {
  const { time, ...line } = logged().line
  t.type(time, 'number')
  t.same(line, {
    level: 30,
    peer: '192.0.2.9:1234',
    authority: 'api.example.com',
    path: '/pkg.Service/Method',
    backend: 'main',
    endpoint: 'http://192.0.2.1:50051',
    grpcStatus: 'OK',
    endedBy: 'backend',
    durationMs: 12.346,
    requestBytes: 7,
    requestMessages: 1,
    responseBytes: 30,
    responseMessages: 3,
    retries: 0,
    msg: 'call',
  })
})

t.test('statuses', async t => {
  const names: [status: number, name: string][] = [
    [1, 'CANCELLED'],
    [16, 'UNAUTHENTICATED'],
    [99, 'code 99'],
    [-1, 'none'],
  ]
  for (const [status, name] of names) t.equal(logged({ status }).line.grpcStatus, name)
  t.equal(logged({ status: Number.NaN }).line.grpcStatus, 'code NaN', 'a backend that sent no number')
})

t.test('the reason, where there is one', async t => {
  t.match(logged({ endedBy: 'proxy', reason: 'deadline' }).line, { endedBy: 'proxy', reason: 'deadline' })
})

t.test('text of strangers stays within its JSON string, on one line', async t => {
  const nasty = '/a\n{"level":60}\r\x1b[2J\0\x7f"\\ \u2028\u0085ü'
  const { text, line } = logged({ path: nasty, authority: nasty })
  t.equal(line.path, nasty)
  t.equal(line.authority, nasty)
  t.equal(text.indexOf('\n'), text.length - 1)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are looked for
  t.notMatch(text.slice(0, -1), /[\0-\x1f]/)
})

t.test('where the logger would drop the line, there is no log at all', async t => {
  for (const level of ['warn', 'error', 'fatal', 'silent']) t.equal(accessLog(pino({ level })), undefined, level)
  for (const level of ['info', 'debug', 'trace']) t.type(accessLog(pino({ level })), 'function', level)
})
