/**
 * A client that makes every endpoint fail for itself, in each way that a client has, must not eject one for the others.
 * The last test shows that what these clients do together would eject it.
 */
import t, { type Test } from 'tap'
import { ask, BAD_PATH, endpointLog, Replica, SILENT_PATH } from '../backend/health/replica.ts'
import { requestFields, running } from '../contract/rig.ts'
import { PAIRING } from '../proxy/rig.ts'
import { Code } from '../support/frames.ts'
import { RawClient } from '../support/raw-client.ts'

/** Any number of endpoints may be ejected here, and for long. What is judged at the end of an interval has tests by a fake clock. */
const OUTLIERS = { baseEjectionMs: 60_000, maxEjectedPercent: 100 }
const ROUNDS = 10
/** Of the attacker's calls, at a time. */
const VOLLEY = 50

async function scene(t: Test, upstream: 'frames' | 'native') {
  const replicas = [await Replica.listen(t), await Replica.listen(t), await Replica.listen(t)]
  const { logger, lines } = endpointLog()
  const endpoints = replicas.map(({ server }) => server.url)
  const main = { endpoints, transport: upstream, outliers: OUTLIERS }
  const { proxy, port } = await running(t, { ...PAIRING, upstream }, { backends: { main }, logger })
  const victims = [await RawClient.connect(t, port), await RawClient.connect(t, port)]
  return { proxy, replicas, lines, victims, attacker: await RawClient.connect(t, port) }
}

const volley = (client: RawClient, path: string) => Promise.all(Array.from({ length: VOLLEY }, () => ask(client, path)))

/** What an attacker does in a round. */
const ATTACKS: Readonly<Record<string, (attacker: RawClient) => Promise<unknown>>> = {
  'requests that every backend answers with INTERNAL': attacker => volley(attacker, BAD_PATH),
  'deadlines that nobody can keep': attacker =>
    Promise.all(
      Array.from({ length: VOLLEY }, () => {
        const fields = requestFields([['grpc-timeout', '1m']], SILENT_PATH)
        return attacker.ended(attacker.request(fields, { endStream: true }))
      }),
    ),
  'calls that are given up': async attacker => {
    for (let i = 0; i < VOLLEY; i++) {
      const id = attacker.request(requestFields([], SILENT_PATH), { endStream: true })
      await attacker.roundTrip()
      attacker.rst(id, Code.CANCEL)
    }
  },
}

for (const transport of ['frames', 'native'] as const) {
  for (const [what, attack] of Object.entries(ATTACKS)) {
    t.test(`${transport}: ${what}`, async t => {
      const { replicas, lines, victims, attacker } = await scene(t, transport)
      const told: (string | undefined)[] = []
      for (let round = 0; round < ROUNDS; round++) {
        const attacked = attack(attacker)
        for (const victim of victims) for (const _ of replicas) told.push(await ask(victim))
        await attacked
      }
      t.same(lines, [], 'no endpoint was ejected')
      t.same(new Set(told), new Set(['0']), 'and the others lost no call')
      t.ok(replicas.every(({ calls }) => calls > 0))
    })
  }
}

t.test('an endpoint that fails for all of them is ejected', async t => {
  const { proxy, replicas, lines, victims, attacker } = await scene(t, 'frames')
  const [broken] = replicas as [Replica]
  broken.status = 13
  for (let round = 0; round < ROUNDS && lines.length === 0; round++)
    for (const client of [attacker, ...victims]) for (const _ of replicas) await ask(client)
  t.match(lines, [{ msg: 'endpoint ejected', endpoint: broken.server.url }])
  t.match(proxy.state().backends[0]!.endpoints, [
    { usable: false, reasons: [{ by: 'outlier', text: /calls failed in a row/ }] },
    { usable: true },
    { usable: true },
  ])
})
