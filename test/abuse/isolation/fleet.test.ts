/**
 * Beside attacks an honest client loses nothing with any balancer either, while endpoints leave the list and come back. Here
 * four balancers meet one attack each; `npm run test:whole` has all of them and more attacks, `npm run isolation` the times.
 */
import t from 'tap'
import { WHOLE } from '../../support/whole.ts'
import { ATTACKS } from './attacks.ts'
import { BALANCERS } from './balancers.ts'
import { Field } from './field.ts'
import { PATIENCE, withstandAll } from './withstood.ts'

const CONNECTIONS = 4
const ENDPOINTS = 3
/** What an endpoint has is what others take from it: its streams, its windows, its patience with resets. */
const CHOSEN = /^1,000 calls that never end$|^1,000 responses that are not read$|reset|cancel/i

/** One that takes turns, one that counts calls, one that looks at latency, and one that sends all of a client to one place. */
const QUICK = ['round-robin', 'least-request', 'peak-ewma', 'ring-hash']

t.setTimeout(PATIENCE.timeout)

const chosen = ATTACKS.filter(({ name, field }) => field === undefined && CHOSEN.test(name))

for (const [at, [name, balancer]] of Object.entries(BALANCERS).entries()) {
  const skip = !WHOLE && !QUICK.includes(name) && 'npm run test:whole has it'
  t.test(`${name}, endpoints that come and go`, { ...PATIENCE, skip }, async t => {
    const field = await Field.start({ balancer, comeAndGo: ENDPOINTS, limits: { slowReaderTimeoutMs: 300 } })
    t.teardown(() => field.end())
    await withstandAll(t, field, WHOLE ? chosen : [chosen[at % chosen.length]!], CONNECTIONS)
    t.ok(field.changes > 0, `the list was changed ${field.changes} times`)
  })
}
