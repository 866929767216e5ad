/** What of the limits each worker has. */
import t from 'tap'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { ProxySetup } from '../../src/proxy/setup.ts'
import { shareOf } from '../../src/workers/shares.ts'

function setupOf(more: object): ProxySetup {
  return resolveConfig({ backends: { a: { endpoints: ['127.0.0.1:1'], ...more } }, limits: { maxClientSessions: 10 } })
    .config
}

const shares = (setup: ProxySetup, count: number) =>
  Array.from({ length: count }, (_, i) => shareOf(setup, i + 1, count))

t.test('together they have what is configured', async t => {
  const breaker = { maxCalls: 7, maxSessions: 9, maxRetries: 4 }
  const queue = { maxCalls: 1_001 }
  const setup = setupOf({ breaker, queue, sessions: { max: 6 }, endpointLimit: { maxCalls: 5 } })
  const parts = shares(setup, 4)
  const sum = (of: (setup: ProxySetup) => number) => parts.reduce((total, part) => total + of(part), 0)
  t.equal(
    sum(({ limits }) => limits.maxClientSessions),
    10,
  )
  t.equal(
    sum(({ limits }) => limits.maxBufferedBytes),
    setup.limits.maxBufferedBytes,
  )
  t.equal(
    sum(({ backends }) => backends.a!.breaker!.maxCalls!),
    7,
  )
  t.equal(
    sum(({ backends }) => backends.a!.breaker!.maxSessions!),
    9,
  )
  t.equal(
    sum(({ backends }) => backends.a!.queue.maxCalls),
    1_001,
  )
  t.equal(
    sum(({ backends }) => backends.a!.sessions.max),
    6,
  )
  t.equal(
    sum(({ backends }) => (backends.a!.endpointLimit as { maxCalls: number }).maxCalls),
    5,
  )
  t.same(
    parts.map(({ backends }) => backends.a!.breaker!.maxCalls),
    [2, 2, 2, 1],
    'as even as can be',
  )
})

t.test('each has something, but of nothing there is nothing', async t => {
  const parts = shares(
    setupOf({ sessions: { max: 1, ready: 1, reserve: 0 }, queue: { maxCalls: 0 }, breaker: { maxCalls: 1 } }),
    3,
  )
  for (const { backends, limits } of parts) {
    t.match(backends.a, {
      sessions: { max: 1, ready: 1, reserve: 0 },
      queue: { maxCalls: 0 },
      breaker: { maxCalls: 1 },
    })
    t.equal(limits.maxCallBytes, undefined, 'what has no number stays without')
  }
})

t.test('what bounds one client or one call is the same in each', async t => {
  const setup = setupOf({})
  const { maxClientSessions: _, maxBufferedBytes: _b, ...limits } = setup.limits
  t.match(shareOf(setup, 2, 4).limits, limits)
  t.same(shareOf(setup, 1, 1), setup, 'a single worker has it all')
})
