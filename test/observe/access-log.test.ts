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
    timeoutMs: undefined,
    backend: 'main',
    endpoint: 'http://192.0.2.1:50051',
    status: 0,
    message: '',
    endedBy: 'backend',
    reason: '',
    cause: '',
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
  log!.onEnd(record(facts))
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

t.test('why a call failed, who ended it and what time it had are on its own line', async t => {
  const { line } = logged({
    status: 14,
    message: 'backend main: no endpoint can be reached',
    endedBy: 'proxy',
    reason: 'unreachable',
    cause: 'http://192.0.2.1:50051: connect ECONNREFUSED 192.0.2.1:50051',
    timeoutMs: 1.5,
  })
  t.match(line, {
    grpcStatus: 'UNAVAILABLE',
    grpcMessage: 'backend main: no endpoint can be reached',
    endedBy: 'proxy',
    reason: 'unreachable',
    cause: 'http://192.0.2.1:50051: connect ECONNREFUSED 192.0.2.1:50051',
    timeoutMs: 1.5,
  })
})

t.test('grpc-message is told as text, whatever it holds', async t => {
  const texts: [sent: string, told: string][] = [
    ['no such tenant: %E6%97%A5', 'no such tenant: 日'],
    ['100%', '100%'],
    ['a%0Ab', 'a\nb'],
    ['%FF', '\ufffd'],
  ]
  for (const [message, told] of texts) t.equal(logged({ message }).line.grpcMessage, told)
})

t.test('a path of 3.9 KB for a byte on the wire makes no line of 3.9 KB', async t => {
  const long = (length: number) => `/${'a'.repeat(length - 1)}`
  const { text, line } = logged({
    path: long(3_900),
    authority: 'a'.repeat(3_900),
    message: 'm'.repeat(60_000),
    cause: 'c'.repeat(60_000),
  })
  t.equal(line.path, `${long(256)}[cut]`)
  t.equal(line.authority, `${'a'.repeat(260)}[cut]`)
  t.equal(line.grpcMessage, `${'m'.repeat(256)}[cut]`)
  t.equal(line.cause, `${'c'.repeat(512)}[cut]`)
  t.ok(text.length < 1_800, `${text.length}`)
  t.equal(logged({ path: long(256) }).line.path, long(256), 'what is just not too long stays whole')
  const encoded = logged({ message: '%E6%97%A5'.repeat(300) }).line.grpcMessage
  t.equal(encoded, `${'日'.repeat(256)}[cut]`, 'cut between characters')
})

t.test('queries, and users with their passwords, are no part of the log', async t => {
  const { text } = logged({
    path: '/a.B/C?access_token=SECRET',
    authority: 'me:SECRET@api.example.com',
    status: 12,
    message: 'no route for /a.B/C?access_token=SECRET',
    endedBy: 'proxy',
    reason: 'no-route',
  })
  t.notMatch(text, /SECRET/)
  t.match(JSON.parse(text), { path: '/a.B/C?[cut]', authority: '[cut]@api.example.com' })
  t.match(JSON.parse(text), { grpcMessage: 'no route for /a.B/C?[cut]' })
  const cut = `/a.B/C?${'SECRET'.repeat(100)}`
  t.notMatch(logged({ path: cut, message: `no route for ${cut}`.slice(0, 512) }).text, /SECRET/)
  t.equal(logged({ path: 'http://me:SECRET@host/a.B/C' }).line.path, 'http://[cut]@host/a.B/C')
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
  for (const level of ['info', 'debug', 'trace']) t.ok(accessLog(pino({ level })), level)
})
