/** What the tests of isolation do: an attack for as long as it takes, beside a victim. */
import type { Test } from 'tap'
import { until } from '../../support/until.ts'
import type { Attack } from './attack.ts'
import type { Field } from './field.ts'
import { Victim } from './victim.ts'

/** Calls of the victim beside each attack, and after it. */
const CALLS = 20
/** Of them, those that begin or end while the attack has done all that it does. */
const CALLS_BESIDE = 15
/** Calls that the victim has open at most: what it loses is then nobody's speed. */
const MOST_OPEN = 10
/** Of the whole file, and of a test: a machine may be slow. What does not come to pass is told after a minute. */
export const PATIENCE = { timeout: 600_000 }

async function withstood(t: Test, field: Field, victim: Victim, attack: Attack, connections: number): Promise<void> {
  victim.harm()
  const raid = field.attack(attack.name, connections)
  const described = () => `${raid.strikes} strikes, ${victim.calls} calls; the proxy: ${field.proxy.fate ?? 'lives'}`
  const over = () => victim.losses > 0 || field.proxy.ended !== undefined
  const struck = () => raid.strikes >= attack.enough && victim.calls >= CALLS
  await until('it struck, and the victim was served', () => struck() || over(), described)
  // Not only before it had all that it could take.
  const before = victim.newCalls
  await until('the victim is served beside it', () => victim.newCalls > before + CALLS_BESIDE || over(), described)
  await raid.stop()
  // What the attack left behind harms nobody either.
  const meanwhile = victim.calls
  await until('the victim is served', () => victim.calls > meanwhile + CALLS || over(), described)
  t.equal(field.proxy.fate, undefined, 'the proxy lives')
  t.same(victim.harm().lost, [], 'the victim lost nothing')
}

/** One attack after the other; the victim's stream lasts for all of them. */
export async function withstandAll(t: Test, field: Field, attacks: readonly Attack[], connections: number) {
  const victim = await Victim.begin(field.proxy.port, { mostOpen: MOST_OPEN })
  for (const attack of attacks)
    await t.test(attack.name, PATIENCE, t => withstood(t, field, victim, attack, connections))
  await victim.end()
  t.same(victim.harm().lost, [], 'its stream ended as it should')
}
