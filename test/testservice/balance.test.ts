/** Calls of one client connection over three endpoints: spread evenly, and past an endpoint that dies. */
import t from 'tap'
import type { PingReply } from '../../src/demo/messages.ts'
import { Status } from '../../src/grpc/status.ts'
import { WHOLE } from '../support/whole.ts'
import { joined, type OpenCall, TestServiceClient } from './client.ts'
import { grpcServers, listening, type Pairing, proxyOf } from './rig.ts'

const PAIRINGS: readonly Pairing[] = [
  { downstream: 'native', upstream: 'native' },
  { downstream: 'frames', upstream: 'frames' },
  { downstream: 'frames', upstream: 'native' },
  { downstream: 'native', upstream: 'frames' },
]
const CALLS = WHOLE ? 1_000 : 300
const AT_ONCE = 50

for (const pairing of PAIRINGS) {
  const where = `${pairing.downstream} → ${pairing.upstream}`

  t.test(`${where}: ${CALLS} calls, a third to each of three endpoints`, async t => {
    const servers = await grpcServers(t, 3)
    const backend = { endpoints: servers.map(({ address }) => `http://${address}`) }
    const proxy = proxyOf(t, pairing, { backend })
    const { address } = await listening(proxy, pairing, 'h2c')
    const client = new TestServiceClient(address)
    t.teardown(() => client.close())

    const answers = await pings(client, CALLS)
    t.equal(answers.get('failed') ?? 0, 0)
    const third = Math.floor(CALLS / 3)
    t.strictSame([...answers.values()].sort(), [third, third, CALLS - 2 * third])
    t.equal(proxy.counts().clientConnections, 1, 'one client connection')
  })

  t.test(`${where}: an endpoint dies; calls that come after all succeed`, async t => {
    const servers = await grpcServers(t, 3)
    const backend = { endpoints: servers.map(({ address }) => `http://${address}`) }
    const proxy = proxyOf(t, pairing, { backend })
    const { address } = await listening(proxy, pairing, 'h2c')
    const client = new TestServiceClient(address)
    t.teardown(() => client.close())

    t.equal((await pings(client, CALLS / 2)).size, 3, 'all three answer')
    const open = Array.from({ length: 30 }, () => client.open<PingReply>('PingStream'))
    const names = await Promise.all(open.map(async call => joined(await call.headers, 'x-test-server')))
    const dead = servers[1]!.service.name
    await servers[1]!.close()

    const answers = await pings(client, CALLS / 2)
    t.equal(answers.get('failed') ?? 0, 0, 'no call after the death fails')
    t.equal(answers.get(dead) ?? 0, 0)
    const ends = await Promise.all(open.map((call, i) => finish(call, names[i] === dead)))
    for (const [i, code] of ends.entries()) {
      // Its headers are with the client already, so a reset is all that is left to say, and the
      // client makes a status of that.
      t.equal(code === Status.OK, names[i] !== dead, `open call on ${names[i]}`)
    }
  })
}

/** Unary calls, some at once. @returns how many each server answered; failures under `failed` */
async function pings(client: TestServiceClient, count: number): Promise<Map<string, number>> {
  const answers = new Map<string, number>()
  let left = count
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const { reply } = await client.unary<PingReply>('Ping', { value: 'x' })
      const server = reply?.server ?? 'failed'
      answers.set(server, (answers.get(server) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return answers
}

/** Uses an open PingStream once more and ends it, unless its server is dead. @returns its status */
async function finish(call: OpenCall<PingReply>, dead: boolean): Promise<number> {
  if (!dead) {
    void call.send({ value: 'still here' })
    const reply = await call.next()
    if (reply?.value !== 'still here') return Status.UNKNOWN
    call.halfClose()
  }
  await call.rest()
  return (await call.end).code
}
