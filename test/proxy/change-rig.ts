/** Test servers behind a proxy whose configuration changes, and clients that tell which server answered. */
import type { Test } from 'tap'
import { connectTestClient, type TestClient } from '../../src/demo/http2-client.ts'
import { startTestServer } from '../../src/demo/http2-server.ts'
import type { PingReply } from '../../src/demo/messages.ts'
import { createProxy, type GrpcProxy, type ProxyOptions } from '../../src/index.ts'

export interface Server {
  readonly name: string
  readonly url: string
}

export async function server(t: Test, name: string): Promise<Server> {
  const started = await startTestServer({ name })
  t.teardown(() => started.close())
  return { name, url: `http://127.0.0.1:${started.port}` }
}

export const SILENT = { log: { level: 'silent' } } as const

/** Every call goes to `to`. */
export function allTo(to: Server, more: Partial<ProxyOptions> = {}): ProxyOptions {
  return { ...SILENT, backends: { main: { endpoints: [to.url] } }, ...more }
}

export async function started(t: Test, options: ProxyOptions): Promise<{ proxy: GrpcProxy; addresses: string[] }> {
  const proxy = createProxy({ listeners: [{ address: '127.0.0.1:0' }], ...options })
  t.teardown(() => proxy.close())
  const bound = await proxy.start()
  return { proxy, addresses: bound.map(({ address }) => address) }
}

export function client(t: Test, address: string): TestClient {
  const connected = connectTestClient(address)
  t.teardown(() => connected.close())
  return connected
}

/** @returns the name of the server that answered */
export async function ask(by: TestClient, delayMs = 0): Promise<string> {
  return (await by.unary<PingReply>('Ping', { value: 'which', delay_ms: delayMs })).server
}

/** A bidirectional call that lasts: each `say` is answered, and `end` waits for its status. */
export class Talk {
  readonly #replies: AsyncIterator<PingReply>
  #next!: (request: object | undefined) => void
  #asked: Promise<object | undefined>

  constructor(by: TestClient) {
    this.#asked = this.#later()
    this.#replies = by.call<PingReply>('PingStream', this.#requests()).replies[Symbol.asyncIterator]()
  }

  #later(): Promise<object | undefined> {
    return new Promise(resolve => {
      this.#next = resolve
    })
  }

  async *#requests(): AsyncGenerator<object> {
    for (let request = await this.#asked; request !== undefined; request = await this.#asked) {
      this.#asked = this.#later()
      yield request
    }
  }

  /** @returns the name of the server that answered */
  async say(value: string): Promise<string> {
    this.#next({ value })
    const { value: reply } = await this.#replies.next()
    return (reply as PingReply).server
  }

  /** @throws CallError unless it ends with OK */
  async end(): Promise<void> {
    this.#next(undefined)
    await this.#replies.next()
  }
}
