import { pino } from 'pino'
import t from 'tap'
import { seededRandom } from '../../src/bench/random.ts'
import type { CallObserver } from '../../src/call/observer.ts'
import type { CallRecord } from '../../src/call/record.ts'
import { MessageCounter } from '../../src/grpc/message.ts'
import { ACCESS_FIELDS, wrongField, wrongFormat } from '../../src/observe/access-format.ts'
import { type AccessRules, accessLog } from '../../src/observe/access-log.ts'
import { Repeats } from '../../src/observe/repeats.ts'
import { FakeClock } from '../support/fake-clock.ts'

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
    fields: [],
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

/** An observer whose lines a test gets; nothing is left out for want of time. */
function observerOf(
  rules: AccessRules,
  onLine: (line: string) => void,
  { random = Math.random, level = 'info', clock = new FakeClock() } = {},
): CallObserver | undefined {
  const log = pino({ base: undefined, level }, { write: onLine })
  return accessLog(rules, { log, random, repeats: new Repeats(log, clock), write: onLine })
}

/** What is written for a record: the text, and the line that it is. */
function logged(facts: Partial<CallRecord> = {}): { text: string; line: Record<string, unknown> } {
  const lines: string[] = []
  const log = observerOf({}, line => void lines.push(line))
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
  for (const level of ['warn', 'error', 'fatal', 'silent'])
    t.equal(
      observerOf({}, () => {}, { level }),
      undefined,
      level,
    )
  for (const level of ['info', 'debug', 'trace'])
    t.ok(
      observerOf({}, () => {}, { level }),
      level,
    )
})

/** How many lines these calls have, by the rules. */
function linesOf(rules: AccessRules, calls: readonly Partial<CallRecord>[], random?: () => number): number {
  let lines = 0
  const log = observerOf(rules, () => void lines++, { random })
  for (const facts of calls) log!.onEnd(record(facts))
  return lines
}

t.test('rules: errors, slow calls, one in so many, and any of several is enough', async t => {
  const calls = [{ status: 0 }, { status: 5 }, { status: -1 }, { durationMs: 900 }, { status: 14, durationMs: 900 }]
  t.equal(linesOf({}, calls), 5)
  t.equal(linesOf({ metadata: ['x'] }, calls), 5)
  t.equal(linesOf({ errors: false }, calls), 5)
  t.equal(linesOf({ errors: true }, calls), 3)
  t.equal(linesOf({ slowerThanMs: 500 }, calls), 2)
  t.equal(linesOf({ errors: true, slowerThanMs: 500 }, calls), 4)
  const random = seededRandom(7)
  const some = linesOf(
    { oneIn: 10 },
    Array.from({ length: 10_000 }, () => ({})),
    random,
  )
  t.ok(some > 900 && some < 1_100, `${some} of 10,000`)
  t.equal(linesOf({ oneIn: 1 }, calls), 5)
})

t.test('metadata by name: bounded, escaped, several values as one, and no credentials', async t => {
  const fields = [
    ...[
      ['x-request-id', 'abc'],
      ['x-long', 'x'.repeat(10_000)],
      ['x-twice', 'a'],
      ['x-twice', 'b'],
    ],
    ...[
      ['authorization', 'Bearer hush'],
      ['x-api-key', 'hush'],
      ['session-cookie', 'hush'],
      ['x-not-asked', 'hush'],
      ['x-odd', 'a\u001b[2J'],
    ],
  ].map(([name, value]) => ({ name: name!, value: value!, neverIndexed: false }))
  const lines: string[] = []
  const metadata = [
    'x-request-id',
    'x-long',
    'x-twice',
    'authorization',
    'x-api-key',
    'session-cookie',
    'x-none',
    'x-odd',
  ]
  observerOf({ metadata }, line => void lines.push(line))!.onEnd(record({ fields }))
  t.notMatch(lines[0], /hush/)
  t.notOk(lines[0]!.includes('\u001b'), 'JSON escapes it')
  t.same(JSON.parse(lines[0]!).metadata, {
    'x-request-id': 'abc',
    'x-long': `${'x'.repeat(256)}[cut]`,
    'x-twice': 'a, b',
    authorization: '[11 characters]',
    'x-api-key': '[4 characters]',
    'session-cookie': '[4 characters]',
    'x-odd': 'a\u001b[2J',
  })
})

t.test(
  'boundFailures: of calls that fail alike so many have a line, then one a second, and the others are counted',
  async t => {
    const lines: Record<string, unknown>[] = []
    const clock = new FakeClock()
    const log = observerOf({ boundFailures: true }, line => void lines.push(JSON.parse(line)), { clock })!
    const down = {
      status: 14,
      endedBy: 'proxy',
      reason: 'unreachable',
      cause: 'http://10.0.0.1:1: connect ECONNREFUSED 10.0.0.1:1',
    } as const
    // A minute of 2,000 failing calls a second: by two paths, which clients choose, of one kind.
    for (let second = 0; second < 60; second++) {
      for (let i = 0; i < 2_000; i++) log.onEnd(record({ ...down, path: `/a.B/${i % 2}` }))
      clock.advance(1_000)
    }
    const told = lines.filter(({ leftOut }) => leftOut !== undefined)
    t.equal(lines.length - told.length, 100 + 59)
    t.equal(told.length, 6)
    t.match(told[0], {
      ...{ level: 30, backend: 'main', grpcStatus: 'UNAVAILABLE', endedBy: 'proxy', reason: 'unreachable' },
      ...{ problem: 'refused', leftOut: 19_891, msg: '19891 more like this: calls that ended alike' },
    })
    const leftOut = told.reduce((sum, line) => sum + Number(line.leftOut), 0)
    t.equal(leftOut + lines.length - told.length, 120_000, 'no call is lost count of')

    const before = lines.length
    log.onEnd(record())
    log.onEnd(record({ status: 5 }))
    log.onEnd(record({ ...down, cause: 'http://10.0.0.1:1: certificate has expired' }))
    log.onEnd(record({ ...down, backend: 'other' }))
    t.equal(lines.length - before, 4, 'what is not alike has its line')
    clock.advance(600_000)
    t.equal(clock.pending, 0, 'kinds that are quiet again are forgotten')
  },
)

t.test('by default none is left out', async t => {
  const calls = Array.from({ length: 500 }, () => ({ status: 14 }))
  t.equal(linesOf({}, calls), 500)
  t.equal(linesOf({ boundFailures: true }, calls), 100)
})

t.test('fields by name, and a line of text: one line, escaped, bounded', async t => {
  const of = (rules: AccessRules, facts: Partial<CallRecord> = {}) => {
    const lines: string[] = []
    observerOf(rules, line => void lines.push(line))!.onEnd(record(facts))
    t.equal(lines.length, 1)
    return lines[0]!
  }
  const { time, ...json } = JSON.parse(of({ fields: ['path', 'grpcStatus', 'metadata:x-id', 'cause'] }))
  t.same(json, { level: 30, path: '/pkg.Service/Method', grpcStatus: 'OK', msg: 'call' })
  const failed = { status: 14, reason: 'unreachable', cause: 'a: connect ECONNREFUSED a', message: 'no', timeoutMs: 2 }
  const withoutTime = (line: string) => ({ ...JSON.parse(line), time: 0 })
  t.same(withoutTime(of({ fields: ACCESS_FIELDS }, failed)), withoutTime(of({}, failed)), 'all by name are all')
  const format =
    '{peer} "{path}" {grpcStatus} {grpcMessage} {durationMs}ms id={metadata:x-id} {metadata:x-sum-bin} {cause}'
  t.equal(of({ format }), '192.0.2.9:1234 "/pkg.Service/Method" OK - 12.346ms id=- - -\n')
  const fields = [
    { name: 'x-id', value: 'a b\u001b[2J', neverIndexed: false },
    { name: 'x-sum-bin', value: 'AAEC', neverIndexed: false },
  ]
  const odd = of({ format }, { fields, cause: 'one\ntwo', message: 'y'.repeat(9_000), status: 14 })
  t.match(
    odd,
    /^192\.0\.2\.9:1234 "\/pkg\.Service\/Method" UNAVAILABLE y{256}\[cut\] 12\.346ms id="a b\\u001b\[2J" "\[4 characters\]" "one\\ntwo"\n$/,
  )
  t.match(of({ format: '{time}' }), /^\d{4}-\d\d-\d\dT[\d:.]+Z\n$/)
})

t.test('a field that is not known is told with those that are', async t => {
  t.equal(wrongFormat('{path} {metadata:x-id}'), undefined)
  t.match(wrongFormat('{pth}'), /^unknown field "pth"; known here: time, peer, authority, path, .*metadata:NAME$/)
  t.match(wrongFormat('{metadata:X Y}'), /^unknown field/)
  t.equal(wrongFormat('{path'), 'a brace is missing its other half')
  t.match(wrongFormat('path'), /has no field/)
  t.match(wrongField('constructor'), /^unknown field/)
})
