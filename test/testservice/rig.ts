/** Clients, the proxy and endpoints put together, in every way that the proxy can be used. */
import http2, { type Http2Server } from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import { type ChannelCredentials, credentials, ServerCredentials } from '@grpc/grpc-js'
import type { Test } from 'tap'
import { CallLog } from '../../src/demo/call-log.ts'
import { createTestServer } from '../../src/demo/http2-server.ts'
import { createProxy, type GrpcProxy, type ProxyOptions } from '../../src/index.ts'
import { type Certificates, certificates } from '../support/certs.ts'
import { type GrpcServer, startGrpcServer } from './server.ts'
import type { SuiteOptions } from './suite.ts'

type Backend = NonNullable<ProxyOptions['backends']>[string]
type Transport = NonNullable<Backend['transport']>

/** What carries the two sides of the proxy. */
export interface Pairing {
  readonly downstream: Transport
  readonly upstream: Transport
}

export type Security = 'h2c' | 'TLS' | 'mTLS'

/** A server in this process, reached without a socket. */
export interface InProcess {
  readonly name: string
  readonly connect: () => Duplex
}

export interface Endpoints {
  readonly backend: Backend
  /** Names of the servers; undefined for a server that is not ours. */
  readonly servers?: readonly string[]
}

const NAMES = ['alder', 'beech', 'cedar']

/** grpc-js servers on ports of their own, with one log of calls. */
export async function grpcServers(t: Test, count: number, security: Security = 'h2c'): Promise<GrpcServer[]> {
  const calls = new CallLog()
  const serverCredentials = serverCredentialsOf(security, await certificates())
  const servers = await Promise.all(
    NAMES.slice(0, count).map(name => startGrpcServer({ name, calls, credentials: serverCredentials })),
  )
  t.teardown(() => Promise.all(servers.map(server => server.close())))
  return servers
}

/** A backend of grpc-js servers. */
export async function grpcEndpoints(t: Test, count: number, security: Security): Promise<Endpoints> {
  const servers = await grpcServers(t, count, security)
  const scheme = security === 'h2c' ? 'http' : 'https'
  const tls = backendTls(security, await certificates())
  const endpoints = servers.map(({ port }) => `${scheme}://127.0.0.1:${port}`)
  return { backend: { endpoints, ...(tls && { tls }) }, servers: servers.map(({ service }) => service.name) }
}

/** Somebody else's server, plaintext. @param address `host:port` */
export function foreignEndpoint(address: string): Endpoints {
  return { backend: { endpoints: [`http://${address}`] } }
}

/** grpc-js, by its connection injector. */
export async function grpcInProcess(t: Test): Promise<InProcess> {
  const [server] = await grpcServers(t, 1)
  return { name: server!.service.name, connect: () => server!.connect() }
}

/** The node:http2 server of the demo. */
export async function http2InProcess(t: Test): Promise<InProcess> {
  const server = createTestServer({ name: 'http2' })
  t.teardown(() => server.close())
  return { name: server.service.name, connect: () => server.connect() }
}

export function connectEndpoint({ name, connect }: InProcess): Endpoints {
  return { backend: { endpoints: [{ name, connect }] }, servers: [name] }
}

/** A proxy before the endpoints, quiet, closed at the end of the test. */
export function proxyOf(t: Test, pairing: Pairing, { backend }: Endpoints): GrpcProxy {
  const proxy = createProxy({
    backends: { test: { ...backend, transport: pairing.upstream } },
    log: { level: 'silent' },
  })
  t.teardown(() => proxy.close())
  return proxy
}

/** The proxy as a listener. @returns what a client needs to reach it */
export async function listening(
  proxy: GrpcProxy,
  pairing: Pairing,
  security: Security,
): Promise<Pick<SuiteOptions, 'address' | 'credentials' | 'channelOptions'>> {
  const { ca, server } = await certificates()
  const tls =
    security === 'h2c'
      ? undefined
      : { ...server, ...(security === 'mTLS' && { clientCa: ca.cert, requireClientCertificate: true }) }
  const { port } = await proxy.listen({
    host: '127.0.0.1',
    port: 0,
    transport: pairing.downstream,
    ...(tls && { tls }),
  })
  return clientOf(port, security)
}

/** The proxy inside an http2 server of somebody's own. @returns what a client needs to reach it */
export async function embedded(
  t: Test,
  proxy: GrpcProxy,
  security: Security,
): Promise<Pick<SuiteOptions, 'address' | 'credentials' | 'channelOptions'>> {
  const { ca, server: identity } = await certificates()
  const server: Http2Server =
    security === 'h2c'
      ? http2.createServer()
      : http2.createSecureServer({
          ...identity,
          ...(security === 'mTLS' && { ca: ca.cert, requestCert: true, rejectUnauthorized: true }),
        })
  const sessions = new Set<http2.Http2Session>()
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', proxy.handler as (stream: http2.Http2Stream) => void)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return clientOf((server.address() as AddressInfo).port, security)
}

/** The proxy behind a net or tls server of somebody else's own. @returns what a client needs to reach it */
export async function connected(
  t: Test,
  proxy: GrpcProxy,
  security: Security,
): Promise<Pick<SuiteOptions, 'address' | 'credentials' | 'channelOptions'>> {
  const { ca, server: identity } = await certificates()
  const mutual = security === 'mTLS' && { ca: ca.cert, requestCert: true, rejectUnauthorized: true }
  const server =
    security === 'h2c'
      ? net.createServer(proxy.connection)
      : tls.createServer({ ...identity, ...mutual, ALPNProtocols: ['h2'] }, proxy.connection)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return clientOf((server.address() as AddressInfo).port, security)
}

async function clientOf(port: number, security: Security) {
  return {
    address: `127.0.0.1:${port}`,
    credentials: clientCredentialsOf(security, await certificates()),
    channelOptions: security === 'h2c' ? {} : { 'grpc.ssl_target_name_override': 'localhost' },
  }
}

function clientCredentialsOf(security: Security, { ca, client }: Certificates): ChannelCredentials {
  if (security === 'h2c') return credentials.createInsecure()
  if (security === 'TLS') return credentials.createSsl(Buffer.from(ca.cert))
  return credentials.createSsl(Buffer.from(ca.cert), Buffer.from(client.key), Buffer.from(client.cert))
}

function serverCredentialsOf(security: Security, { ca, server }: Certificates): ServerCredentials {
  if (security === 'h2c') return ServerCredentials.createInsecure()
  const pairs = [{ private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) }]
  return ServerCredentials.createSsl(Buffer.from(ca.cert), pairs, security === 'mTLS')
}

function backendTls(security: Security, { ca, client }: Certificates): Backend['tls'] {
  if (security === 'h2c') return undefined
  return { ca: ca.cert, serverName: 'localhost', ...(security === 'mTLS' && { cert: client.cert, key: client.key }) }
}
