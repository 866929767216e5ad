/** A proxy that takes gRPC-Web before the test service. */
import type { ServerHttp2Session } from 'node:http2'
import type { Test } from 'tap'
import { startTestServer } from '../../src/demo/http2-server.ts'
import { createProxy, type GrpcProxy, type WebOptions } from '../../src/index.ts'
import type { Certificates } from '../support/certs.ts'

export interface Scene {
  readonly proxy: GrpcProxy
  readonly url: string
  /** Bytes that the backend has sent. */
  readonly sent: () => number
}

export async function scene(t: Test, web: WebOptions | true, tls?: Certificates): Promise<Scene> {
  const server = await startTestServer({ name: 'a' })
  t.teardown(() => server.close())
  const sessions: ServerHttp2Session[] = []
  server.server.on('session', session => sessions.push(session))
  const proxy = createProxy({
    listeners: [{ address: '127.0.0.1:0', web, ...(tls && { tls: { cert: tls.server.cert, key: tls.server.key } }) }],
    backends: { main: { endpoints: [server.address] } },
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const sent = () => sessions.reduce((sum, { destroyed, socket }) => sum + (destroyed ? 0 : socket.bytesWritten), 0)
  return { proxy, sent, url: `http${tls === undefined ? '' : 's'}://${bound!.address}` }
}
