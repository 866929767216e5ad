/** The latest calls that failed, and what one client can do to what an operator sees of others. */
import t from 'tap'
import type { CallRecord } from '../../src/call/record.ts'
import { MessageCounter } from '../../src/grpc/message.ts'
import { RecentFailures } from '../../src/observe/recent-failures.ts'

function failed(more: Partial<CallRecord> = {}): CallRecord {
  return {
    ...{ startMs: 0, durationMs: 12.34567, peer: '192.0.2.1:1000', authority: 'api.test', path: '/a.B/C', fields: [] },
    ...{ timeoutMs: undefined, backend: 'main', endpoint: 'http://e:1', status: 14, message: 'no%20one' },
    ...{ endedBy: 'proxy', reason: 'unreachable', cause: 'ECONNREFUSED', retries: 0 },
    ...{ request: new MessageCounter(), response: new MessageCounter() },
    ...more,
  } as CallRecord
}

function filled(records: readonly CallRecord[]) {
  let nowMs = 1_000
  const failures = new RecentFailures(() => nowMs++)
  for (const record of records) failures.onEnd(record)
  return failures
}

t.test('the latest first; the same again is one more of it', async t => {
  const failures = filled([
    failed(),
    failed({ path: '/a.B/D' }),
    failed({ status: 0 }),
    failed({ status: 1, endedBy: 'client', reason: 'reset-CANCEL' }),
    failed({ peer: '192.0.2.1:2000', durationMs: 5 }),
    failed({ status: -1, reason: '' }),
  ])
  const told = failures.latest(10)
  t.strictSame(
    told.map(({ path, times, status, atMs }) => [path, times, status, atMs]),
    [
      ['/a.B/C', 1, 'none', 1_003],
      ['/a.B/C', 2, 'UNAVAILABLE', 1_002],
      ['/a.B/D', 1, 'UNAVAILABLE', 1_001],
    ],
  )
  t.match(told[1], { peer: '192.0.2.1:2000', durationMs: 5, message: 'no one', cause: 'ECONNREFUSED' })
  t.equal(failures.latest(1).length, 1)
  t.same(failures.latest(0), [])
})

t.test('a client that fails in ten thousand ways leaves room for the others', async t => {
  const one = failed({ peer: '192.0.2.7:1', path: '/mine.A/B' })
  const flood = (peer: string) => Array.from({ length: 10_000 }, (_, i) => failed({ peer, path: `/x.Y/Z${i}` }))
  const others = Array.from({ length: 100 }, (_, i) => failed({ peer: `198.51.100.${i}:1` }))
  t.equal(filled([one, ...flood('192.0.2.9:1')]).latest(100).length, 17)
  t.ok(
    filled([one, ...flood('192.0.2.9:1'), ...flood('[2001:db8::1]:1'), ...flood('[2001:db8::ff]:1')])
      .latest(100)
      .some(({ path }) => path === '/mine.A/B'),
    'addresses of one IPv6 network are one client',
  )
  t.equal(filled(others).latest(100).length, 64, 'in all there is a bound')
})

t.test('texts of strangers have a bound, and nothing that a terminal obeys', async t => {
  const text = `\u001b[2J<img src=x>\u202e${'x'.repeat(10_000)}`
  const [told] = filled([
    failed({
      path: `/${text}?token=secret`,
      authority: `user:secret@${text}`,
      cause: text,
      message: `/${text}?token=secret`,
    }),
  ]).latest(1)
  const json = JSON.stringify(told)
  t.ok(json.length < 3_000, `${json.length}`)
  t.notMatch(json, /secret/)
  for (const value of Object.values(told!)) t.notMatch(String(value), /[\p{Cc}\u202e]/u)
})
