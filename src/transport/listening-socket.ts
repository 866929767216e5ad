/** A socket that listens, whoever serves what it accepts. */
import { chmodSync } from 'node:fs'
import type { AddressInfo, Server } from 'node:net'
import { formatAddress } from './peer.ts'
import { bindNarrowly, listenOver } from './unix-socket.ts'

export interface ListenAddress {
  readonly host?: string
  /** 0 takes a free one. */
  readonly port?: number
  /** A unix socket instead of host and port. */
  readonly path?: string
  /** Who may connect to the unix socket, as `chmod` takes it (`0o660`); default: what the process's umask leaves. */
  readonly socketMode?: number
}

export interface BoundAddress {
  /** `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/proxy.sock`. */
  readonly address: string
  /** 0 for a unix socket. */
  readonly port: number
}

export class ListeningSocket {
  readonly #server: Server
  readonly #at: ListenAddress
  readonly #onAcceptError: (error: Error) => void
  #stopped = false
  #abortListen: (() => void) | undefined

  /** @param onAcceptError a connection was not accepted, for want of descriptors for example; it passes */
  constructor(server: Server, at: ListenAddress, onAcceptError: (error: Error) => void) {
    this.#server = server
    this.#at = at
    this.#onAcceptError = onAcceptError
  }

  /**
   * Takes over a unix socket on which nobody listens any more.
   * @throws the system's error (`EADDRINUSE`, `EACCES`, …) when the address cannot be used, `ENOTSOCK` where there is a
   * file that is not a socket; Error when stopped meanwhile
   */
  listen(): Promise<BoundAddress> {
    return listenOver(this.#at.path, () => this.#listen())
  }

  #listen(): Promise<BoundAddress> {
    if (this.#stopped) return Promise.reject(new Error('closed before it listened'))
    const { host, port, path, socketMode } = this.#at
    const server = this.#server
    return new Promise((resolve, reject) => {
      const onError = (error: Error) => {
        server.removeListener('listening', onListening)
        reject(error)
      }
      this.#abortListen = () => reject(new Error('closed before it listened'))
      server.once('error', onError)
      const onListening = () => {
        server.removeListener('error', onError)
        // It was told to stop while the host name was looked up: the promise was rejected, and there is no address.
        if (this.#stopped) {
          server.close()
          return
        }
        server.on('error', this.#onAcceptError)
        const bound = server.address() as AddressInfo | string
        if (typeof bound !== 'string') {
          resolve({ address: formatAddress(bound.address, bound.port), port: bound.port })
          return
        }
        if (socketMode !== undefined) chmodSync(bound, socketMode)
        resolve({ address: `unix:${bound}`, port: 0 })
      }
      server.once('listening', onListening)
      if (path === undefined) server.listen({ host: host ?? '127.0.0.1', port: port ?? 0 })
      else if (socketMode === undefined) server.listen({ path })
      else bindNarrowly(socketMode, () => server.listen({ path }))
    })
  }

  /** Accepts no more. */
  stop(): void {
    this.#stopped = true
    this.#server.close()
    this.#abortListen?.()
  }
}
