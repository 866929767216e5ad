/**
 * Beside each attack an honest client loses nothing: its calls, its long stream on the same backend session, its new
 * connections. No time is measured here, `npm run isolation` does that: an attack goes on until it has struck often
 * enough and the victim has been served meanwhile.
 */
import t, { type Test } from 'tap'
import { until } from '../../support/until.ts'
import type { Attack } from './attack.ts'
import { ATTACKS } from './attacks.ts'
import { Field, type FieldConfig } from './field.ts'
import { Victim } from './victim.ts'

/** Over which each attack is spread. */
const CONNECTIONS = 4
/** Calls of the victim beside each. */
const CALLS = 20

// A machine may be slow; what does not come to pass is told after a minute.
t.setTimeout(600_000)

async function withstood(t: Test, field: Field, victim: Victim, attack: Attack): Promise<void> {
  victim.harm()
  const raid = field.attack(attack.name, CONNECTIONS)
  const described = () => `${raid.strikes} strikes, ${victim.calls} calls; the proxy: ${field.proxy.fate ?? 'lives'}`
  const seen = () =>
    (raid.strikes >= attack.enough && victim.calls >= CALLS) || victim.losses > 0 || field.proxy.ended !== undefined
  await until('it struck, and the victim was served', seen, described)
  await raid.stop()
  // What the attack left behind harms nobody either.
  const meanwhile = victim.calls
  await until('the victim is served', () => victim.calls > meanwhile + CALLS || victim.losses > 0, described)
  t.equal(field.proxy.fate, undefined, 'the proxy lives')
  t.same(victim.harm().lost, [], 'the victim lost nothing')
}

async function inField(t: Test, config: FieldConfig, attacks: readonly Attack[]): Promise<void> {
  const field = await Field.start(config)
  t.teardown(() => field.end())
  const victim = await Victim.begin(field.proxy.port)
  for (const attack of attacks)
    await t.test(attack.name, { timeout: 200_000 }, t => withstood(t, field, victim, attack))
  await victim.end()
  t.same(victim.harm().lost, [], 'its stream ended as it should')
}

const of = (field: Attack['field']) => ATTACKS.filter(attack => attack.field === field)

t.test('usual limits', { timeout: 600_000 }, t => inField(t, { limits: { slowReaderTimeoutMs: 300 } }, of(undefined)))

t.test('50 places', { timeout: 600_000 }, t => inField(t, { limits: { maxClientSessions: 50 } }, of('few-places')))
