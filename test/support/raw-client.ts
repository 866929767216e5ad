/** A raw HTTP/2 client: a RawConnection that opens streams. */
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import type { Field } from './hpack.ts'
import { type ConnectionOptions, type HeadersOptions, RawConnection } from './raw-connection.ts'
import { closing, type Scope } from './teardown.ts'

export interface ClientOptions extends ConnectionOptions {
  /** Over TLS with ALPN `h2`: what to trust, and who we are. */
  readonly tls?: Pick<TlsOptions, 'ca' | 'cert' | 'key' | 'servername' | 'ALPNProtocols' | 'maxVersion' | 'session'>
}

export class RawClient extends RawConnection {
  #lastStreamId = -1

  /** Connected, preface and SETTINGS sent, and the server's first SETTINGS received (unless `greet` is false). */
  static async connect(t: Scope, port: number, options: ClientOptions = {}): Promise<RawClient> {
    const client = closing(t, new RawClient(await dial(port, options.tls), 'client', options))
    if (options.greet !== false) await client.next('settings', item => !item.ack)
    return client
  }

  /** On a connection that is there, with the preface sent. */
  static on(t: Scope, socket: Socket): RawClient {
    return closing(t, new RawClient(socket, 'client', {}))
  }

  /** Sends HEADERS on a new stream, and says its id. */
  request(fields: readonly Field[], options: HeadersOptions = {}): number {
    const streamId = this.newStreamId()
    this.headers(streamId, fields, options)
    return streamId
  }

  /** The next odd number. */
  newStreamId(): number {
    this.#lastStreamId += 2
    return this.#lastStreamId
  }
}

/** A connected TCP or TLS socket to this machine. */
export async function dial(port: number, tls?: ClientOptions['tls']): Promise<Socket> {
  if (tls === undefined) {
    const socket = connectTcp(port, '127.0.0.1')
    await once(socket, 'connect')
    return socket
  }
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ALPNProtocols: ['h2'],
    ...tls,
  })
  await once(socket, 'secureConnect')
  return socket
}
