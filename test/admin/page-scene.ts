/** A proxy with something to see: calls of several kinds, one endpoint that is away, and a backend that is down. */
import pino from 'pino'
import { connectTestClient } from '../../src/demo/http2-client.ts'
import { startTestServer } from '../../src/demo/http2-server.ts'
import { createProxy, type GrpcProxy, type ProxyOptions } from '../../src/index.ts'
import type { Scope } from '../support/teardown.ts'

export interface Scene {
  readonly proxy: GrpcProxy
  /** Where clients connect. */
  readonly address: string
  /** Where the page is. */
  readonly url: string
  readonly drained: () => boolean
  /** Ends one of the servers. */
  stopServer(): Promise<void>
}

export async function scene(t: Scope, options: Partial<ProxyOptions> = {}): Promise<Scene> {
  const servers = await Promise.all(['a', 'b', 'c'].map(name => startTestServer({ name })))
  for (const server of servers) t.teardown(() => server.close())
  const lines: { msg: string; address?: string }[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const proxy = createProxy({
    listeners: [{ address: '127.0.0.1:0' }],
    admin: { address: '127.0.0.1:0' },
    logger,
    log: { access: false },
    backends: {
      greeter: { endpoints: [...servers.map(({ port }) => `127.0.0.1:${port}`), '127.0.0.1:1'] },
      billing: { endpoints: ['127.0.0.1:2', '127.0.0.1:3'] },
    },
    routes: [{ match: { metadata: { 'x-to': 'billing' } }, backend: 'billing' }, { backend: 'greeter' }],
    ...options,
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  const admin = lines.find(({ msg }) => msg.startsWith('admin address'))!.address!
  return {
    ...{ proxy, address: bound!.address, url: `http://${admin}/` },
    drained: () => lines.some(({ msg }) => msg === 'draining'),
    stopServer: () => servers[2]!.close(),
  }
}

/** Calls until the test ends: most go well, some fail, some last. @returns how many have ended */
export function load(t: Scope, address: string, callers = 8): () => number {
  const client = connectTestClient(address)
  let going = true
  let ended = 0
  const until = async (call: () => Promise<unknown>, pauseMs: () => number) => {
    while (going) {
      await call().catch(() => {})
      ended++
      await new Promise(resolve => setTimeout(resolve, pauseMs()))
    }
  }
  const ping = (delayMs: number) => client.unary('Ping', { value: 'x', delay_ms: delayMs })
  const error = () =>
    client.unary('PingError', { error: { code: 5, message: 'no such order', details: new Uint8Array() } })
  for (let i = 0; i < callers; i++)
    void until(
      () => ping(Math.random() * 20),
      () => Math.random() * 30,
    )
  void until(error, () => 500)
  void until(
    () => client.unary('Ping', { value: 'x' }, [['x-to', 'billing']]),
    () => 300,
  )
  for (let i = 0; i < 2; i++) void ping(600_000).catch(() => {})
  t.teardown(() => {
    going = false
    client.close()
  })
  return () => ended
}
