/**
 * The suite through the proxy, with grpc-js as client: each pairing of transports, each way to use
 * the proxy, each kind of connection. With TEST_BACKEND=host:port that server is the endpoint.
 */
import t, { type Test } from 'tap'
import type { GrpcProxy } from '../../src/index.ts'
import {
  connectEndpoint,
  connected,
  type Endpoints,
  embedded,
  foreignEndpoint,
  grpcEndpoints,
  grpcInProcess,
  http2InProcess,
  listening,
  type Pairing,
  proxyOf,
  type Security,
} from './rig.ts'
import { testServiceSuite } from './suite.ts'

const PAIRINGS: readonly Pairing[] = [
  { downstream: 'native', upstream: 'native' },
  { downstream: 'frames', upstream: 'frames' },
  { downstream: 'frames', upstream: 'native' },
  { downstream: 'native', upstream: 'frames' },
]
const SECURITIES: readonly Security[] = ['h2c', 'TLS', 'mTLS']

type Client = ReturnType<typeof listening>
type Way = (t: Test, proxy: GrpcProxy, security: Security) => Client

/** How clients come to the proxy. Somebody's http2 server is native downstream, somebody's net or tls server frames. */
const WAYS: Readonly<Record<string, { readonly only?: Pairing['downstream']; readonly reach: (p: Pairing) => Way }>> = {
  listening: { reach: pairing => (_t, proxy, security) => listening(proxy, pairing, security) },
  embedded: { only: 'native', reach: () => embedded },
  'by connection': { only: 'frames', reach: () => connected },
}

/** What stands behind the proxy; the kind of connection holds for both of its sides. */
const BEHIND: Readonly<Record<string, (t: Test, security: Security) => Promise<Endpoints>>> = {
  'one grpc-js endpoint': (t, security) => grpcEndpoints(t, 1, security),
  'three grpc-js endpoints': (t, security) => grpcEndpoints(t, 3, security),
}

const IN_PROCESS: Readonly<Record<string, (t: Test) => Promise<Endpoints>>> = {
  'grpc-js in this process': async t => connectEndpoint(await grpcInProcess(t)),
  'node:http2 in this process': async t => connectEndpoint(await http2InProcess(t)),
}

const foreign = process.env.TEST_BACKEND

/**
 * What the mixed pairs leave out: how the downstream got its socket, and how TLS is on each side, has nothing to do
 * with the other side, and the pure pairs show it; who of three endpoints is next knows no transport (balance.test.ts).
 * Each full pair costs some twenty seconds.
 */
function saysNothingNew({ downstream, upstream }: Pairing, way: string, security: Security, behind = ''): boolean {
  if (downstream === upstream || foreign !== undefined) return false
  return way !== 'listening' || security === 'TLS' || behind.startsWith('three')
}

for (const pairing of PAIRINGS) {
  for (const [way, { only, reach }] of Object.entries(WAYS)) {
    if (only !== undefined && only !== pairing.downstream) continue
    const where = `${pairing.downstream} → ${pairing.upstream}, ${way}`
    for (const security of SECURITIES) {
      const behind = foreign ? { [foreign]: async () => foreignEndpoint(foreign) } : BEHIND
      for (const [name, endpoints] of Object.entries(behind)) {
        if (saysNothingNew(pairing, way, security, name)) continue
        t.test(`${where}, ${security}, ${name}`, async t =>
          run(t, pairing, reach(pairing), security, await endpoints(t, security)),
        )
      }
    }
    if (foreign || saysNothingNew(pairing, way, 'h2c')) continue
    for (const [name, endpoints] of Object.entries(IN_PROCESS)) {
      t.test(`${where}, h2c, ${name}`, async t => run(t, pairing, reach(pairing), 'h2c', await endpoints(t)))
    }
  }
}

async function run(t: Test, pairing: Pairing, reach: Way, security: Security, endpoints: Endpoints): Promise<void> {
  const proxy = proxyOf(t, pairing, endpoints)
  const client = await reach(t, proxy, security)
  await testServiceSuite(t, { ...client, servers: endpoints.servers })
}
