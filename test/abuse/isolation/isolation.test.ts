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

for (const [name, which, limits] of [
  ['usual limits', undefined, { slowReaderTimeoutMs: 300 }],
  ['50 places', 'few-places', { maxClientSessions: 50 }],
] as const) {
  t.test(name, PATIENCE, async t => {
    const field = await Field.start({ limits })
    t.teardown(() => field.end())
    const attacks = ATTACKS.filter(attack => attack.field === which)
    await withstandAll(t, field, attacks, CONNECTIONS)
  })
}
