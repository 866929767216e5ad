/**
 * The suite through the proxy, with grpc-js as client: each way to use the proxy, each kind of connection, each kind
 * of endpoint. A file for each pairing of transports calls it. With TEST_BACKEND=host:port that server is the endpoint.
 */
import type { Test } from 'tap'
import type { GrpcProxy } from '../../src/index.ts'
import { WHOLE } from '../support/whole.ts'
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

/** How clients come to the proxy. Somebody's http2 server is native downstream, somebody's net or tls server frames. */
type Way = 'listening' | 'embedded' | 'by connection'

/** What stands behind the proxy; the kind of connection holds for both of its sides. */
const BEHIND = {
  'one grpc-js endpoint': (t: Test, security: Security): Promise<Endpoints> => grpcEndpoints(t, 1, security),
  'three grpc-js endpoints': (t: Test, security: Security): Promise<Endpoints> => grpcEndpoints(t, 3, security),
  'grpc-js in this process': async (t: Test): Promise<Endpoints> => connectEndpoint(await grpcInProcess(t)),
  'node:http2 in this process': async (t: Test): Promise<Endpoints> => connectEndpoint(await http2InProcess(t)),
}
type Behind = keyof typeof BEHIND

type Combination = readonly [way: Way, security: Security, behind: Behind]

/** Every way with every kind of connection, and everything that can stand behind. */
function quick({ downstream, upstream }: Pairing): Combination[] {
  if (downstream !== upstream) {
    return [
      ['listening', 'mTLS', 'one grpc-js endpoint'],
      ['listening', 'h2c', 'grpc-js in this process'],
    ]
  }
  const other = downstream === 'native' ? 'embedded' : 'by connection'
  return [
    ['listening', 'h2c', 'grpc-js in this process'],
    ['listening', 'TLS', 'one grpc-js endpoint'],
    ['listening', 'mTLS', 'three grpc-js endpoints'],
    [other, 'h2c', 'node:http2 in this process'],
    [other, 'TLS', 'three grpc-js endpoints'],
    [other, 'mTLS', 'one grpc-js endpoint'],
  ]
}

/**
 * Every combination that could say something new. What the mixed pairs leave out: how the downstream got its socket,
 * and how TLS is on each side, has nothing to do with the other side, and the pure pairs show it; who of three
 * endpoints is next knows no transport (balance.test.ts).
 */
function whole({ downstream, upstream }: Pairing): Combination[] {
  const pure = downstream === upstream
  const ways: Way[] = pure ? ['listening', downstream === 'native' ? 'embedded' : 'by connection'] : ['listening']
  const securities: Security[] = pure ? ['h2c', 'TLS', 'mTLS'] : ['h2c', 'mTLS']
  return ways.flatMap(way =>
    securities.flatMap((security): Combination[] => [
      [way, security, 'one grpc-js endpoint'],
      ...(pure ? ([[way, security, 'three grpc-js endpoints']] as const) : []),
      ...(security === 'h2c' ? IN_PROCESS.map(behind => [way, security, behind] as const) : []),
    ]),
  )
}

const IN_PROCESS = ['grpc-js in this process', 'node:http2 in this process'] as const

const foreign = process.env.TEST_BACKEND

export function proxied(t: Test, pairing: Pairing): void {
  const where = `${pairing.downstream} → ${pairing.upstream}`
  for (const [way, security, behind] of WHOLE || foreign ? whole(pairing) : quick(pairing)) {
    if (foreign) {
      if (behind !== 'one grpc-js endpoint') continue
      t.test(`${where}, ${way}, ${security}, ${foreign}`, async t =>
        run(t, pairing, way, security, foreignEndpoint(foreign)),
      )
    } else {
      t.test(`${where}, ${way}, ${security}, ${behind}`, async t =>
        run(t, pairing, way, security, await BEHIND[behind](t, security)),
      )
    }
  }
}

async function run(t: Test, pairing: Pairing, way: Way, security: Security, endpoints: Endpoints): Promise<void> {
  const proxy = proxyOf(t, pairing, endpoints)
  const client = await reach(t, proxy, pairing, way, security)
  await testServiceSuite(t, { ...client, servers: endpoints.servers })
}

function reach(t: Test, proxy: GrpcProxy, pairing: Pairing, way: Way, security: Security) {
  if (way === 'embedded') return embedded(t, proxy, security)
  if (way === 'by connection') return connected(t, proxy, security)
  return listening(proxy, pairing, security)
}
