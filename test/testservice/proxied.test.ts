/**
 * The suite through the proxy, with grpc-js as client: each pairing of transports, each way to use
 * the proxy, each kind of connection. With TEST_BACKEND=host:port that server is the endpoint.
 */
import t, { type Test } from 'tap'
import {
  connectEndpoint,
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

const PAIRINGS: readonly Pairing[] = [{ downstream: 'native', upstream: 'native' }]
const SECURITIES: readonly Security[] = ['h2c', 'TLS', 'mTLS']
const WAYS = ['listening', 'embedded'] as const

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

for (const pairing of PAIRINGS) {
  for (const way of WAYS) {
    // Only Node's own server has a 'stream' event to be a handler of.
    if (way === 'embedded' && pairing.downstream !== 'native') continue
    const where = `${pairing.downstream} → ${pairing.upstream}, ${way}`
    for (const security of SECURITIES) {
      const behind = foreign ? { [foreign]: async () => foreignEndpoint(foreign) } : BEHIND
      for (const [name, endpoints] of Object.entries(behind)) {
        t.test(`${where}, ${security}, ${name}`, async t =>
          run(t, pairing, way, security, await endpoints(t, security)),
        )
      }
    }
    if (foreign) continue
    for (const [name, endpoints] of Object.entries(IN_PROCESS)) {
      t.test(`${where}, h2c, ${name}`, async t => run(t, pairing, way, 'h2c', await endpoints(t)))
    }
  }
}

async function run(
  t: Test,
  pairing: Pairing,
  way: (typeof WAYS)[number],
  security: Security,
  endpoints: Endpoints,
): Promise<void> {
  const proxy = proxyOf(t, pairing, endpoints)
  const client = way === 'listening' ? await listening(proxy, pairing, security) : await embedded(t, proxy, security)
  await testServiceSuite(t, { ...client, servers: endpoints.servers })
}
