/**
 * Beside each attack an honest client loses nothing: its calls, its long stream on the same backend session, its new
 * connections. No time is measured here, `npm run isolation` does that: an attack goes on until it has struck often
 * enough and the victim has been served meanwhile.
 */
import t from 'tap'
import { ATTACKS } from './attacks.ts'
import { Field } from './field.ts'
import { PATIENCE, withstandAll } from './withstood.ts'

/** Over which each attack is spread. */
const CONNECTIONS = 4

t.setTimeout(PATIENCE.timeout)

const queue = { maxCalls: 100, priority: { metadata: 'x-priority' } }

for (const [name, which, config] of [
  ['usual limits', undefined, { limits: { slowReaderTimeoutMs: 300 } }],
  ['50 places', 'few-places', { limits: { maxClientSessions: 50 } }],
  ['a breaker', 'limited', { backend: { breaker: { maxCalls: 100, maxSessions: 1, maxRetries: 2 }, queue } }],
  ['a limit for each endpoint', 'limited', { backend: { endpointLimit: { maxCalls: 100 }, queue } }],
  [
    'a limit by latency',
    'limited',
    { backend: { endpointLimit: { kind: 'gradient', min: 50, windowMs: 100 }, queue } },
  ],
] as const) {
  t.test(name, PATIENCE, async t => {
    const field = await Field.start(config)
    t.teardown(() => field.end())
    const attacks = ATTACKS.filter(attack => attack.field === which)
    await withstandAll(t, field, attacks, CONNECTIONS)
  })
}
