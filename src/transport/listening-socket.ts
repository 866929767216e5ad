/** A socket that listens, whoever serves what it accepts. */
import { chmodSync } from 'node:fs'
import type { AddressInfo, Server } from 'node:net'
import { takeInherited } from './inherited-sockets.ts'
import { formatAddress } from './peer.ts'
import { asideOf, bindNarrowly, checkFree, identityOf, listenOver, placeSocket, removeOwn } from './unix-socket.ts'

export interface ListenAddress {
  readonly host?: string
  /** 0 takes a free one. */
  readonly port?: number
  /** A unix socket instead of host and port. */
  readonly path?: string
  /** Who may connect to the unix socket, as `chmod` takes it (`0o660`); default: what the process's umask leaves. */
  readonly socketMode?: number
  /** A socket that was open when the process began, by the name that systemd gave to it. */
  readonly inherited?: string
}

export interface BoundAddress {
  /** `127.0.0.1:8080`, `[::1]:8080`, `unix:/run/proxy.sock`. */
  readonly address: string
  /** 0 for a unix socket. */
  readonly port: number
}

/** By what two processes, and two configurations, know a socket as the same. */
export function socketName({ host = '127.0.0.1', port = 0, path, inherited }: ListenAddress): string {
  if (inherited !== undefined) return `fd:${inherited}`
  return path === undefined ? `${host}:${port}` : `unix:${path}`
}

/** A server of Node's, and how to look below it: there is no public way to its descriptor. */
type OnHandle = Server & { readonly _handle: { readonly fd?: number } | null }

export class ListeningSocket {
  /** All of this process: what its successor gets. */
  static readonly all = new Set<ListeningSocket>()

  readonly name: string
  readonly #server: Server
  readonly #at: ListenAddress
  readonly #onAcceptError: (error: Error) => void
  /** Which file its unix socket is. */
  #file: string | undefined
  /** libuv will remove that file, whoever listens there by then. */
  #isBoundDirectly = false
  #stopped = false
  #abortListen: ((error: Error) => void) | undefined

  /**
   * @param onAcceptError a connection was not accepted, for want of descriptors for example; it passes
   * @param name unlike that of any other socket of the process, unless it is at a free port
   */
  constructor(server: Server, at: ListenAddress, onAcceptError: (error: Error) => void, name = socketName(at)) {
    this.name = name
    this.#server = server
    this.#at = at
    this.#onAcceptError = onAcceptError
  }

  /**
   * Takes an open socket of its name, if the process was started with one. Takes over a unix socket on which nobody
   * listens any more.
   * @throws the system's error (`EADDRINUSE`, `EACCES`, …) when the address cannot be used, `ENOTSOCK` where there is a
   * file that is not a socket, `ENOTINHERITED` where an open socket is named and not there; Error when stopped meanwhile
   */
  async listen(): Promise<BoundAddress> {
    const fd = takeInherited(this.name)
    if (fd !== undefined) return this.#open(fd)
    const { host, port, path, inherited } = this.#at
    if (inherited !== undefined) throw notInherited(this.name)
    if (path !== undefined) return listenOver(path, () => this.#bind(path))
    return this.#listen({ host: host ?? '127.0.0.1', port: port ?? 0 })
  }

  async #open(fd: number): Promise<BoundAddress> {
    try {
      return await this.#listen({ fd })
    } catch (error) {
      // Node knows no address of it.
      throw Object.assign(error as Error, { address: this.name, port: undefined })
    }
  }

  async #bind(path: string): Promise<BoundAddress> {
    const { socketMode } = this.#at
    checkFree(path)
    const aside = asideOf(path)
    this.#isBoundDirectly = aside === path
    try {
      return await this.#listen({ path: aside }, () => {
        if (socketMode !== undefined) chmodSync(aside, socketMode)
        if (aside !== path) placeSocket(aside, path)
      })
    } catch (error) {
      throw atPath(error, aside, path)
    }
  }

  /** @param ready what is still to do when it listens; it may throw */
  #listen(on: { fd: number } | { path: string } | { host: string; port: number }, ready?: () => void) {
    const server = this.#server as OnHandle
    return new Promise<BoundAddress>((resolve, reject) => {
      const fail = (error: Error) => {
        server.removeListener('listening', onListening)
        server.removeListener('error', fail)
        reject(error)
      }
      const onListening = () => {
        server.removeListener('error', fail)
        // It was told to stop while the host name was looked up: the promise was rejected, and there is no address.
        if (this.#stopped) return void server.close()
        try {
          ready?.()
        } catch (error) {
          server.close()
          return fail(error as Error)
        }
        server.on('error', this.#onAcceptError)
        resolve(this.#opened())
      }
      this.#abortListen = reject
      if (this.#stopped) return reject(closed())
      server.once('error', fail)
      server.once('listening', onListening)
      if (this.#at.socketMode === undefined || 'fd' in on) server.listen(on)
      else bindNarrowly(this.#at.socketMode, () => server.listen(on))
    })
  }

  #opened(): BoundAddress {
    ListeningSocket.all.add(this)
    const { path, inherited } = this.#at
    if (path !== undefined) {
      this.#file = identityOf(path)
      return { address: `unix:${path}`, port: 0 }
    }
    const bound = this.#server.address() as AddressInfo | string | null
    // Node does not know where a unix socket is that somebody else has bound.
    if (bound === null || typeof bound === 'string') return { address: `fd:${inherited}`, port: 0 }
    return { address: formatAddress(bound.address, bound.port), port: bound.port }
  }

  /** Of this process; undefined where another process cannot have it, and when it does not listen. */
  get fd(): number | undefined {
    const fd = (this.#server as OnHandle)._handle?.fd
    return fd === undefined || fd < 0 || this.#isBoundDirectly ? undefined : fd
  }

  /** Another process listens on it too, and goes on: the file of a unix socket stays when this one stops. */
  leave(): void {
    this.#file = undefined
  }

  /** Accepts no more. */
  stop(): void {
    this.#stopped = true
    ListeningSocket.all.delete(this)
    const { path } = this.#at
    if (path !== undefined) removeOwn(path, this.#file)
    this.#file = undefined
    this.#server.close()
    this.#abortListen?.(closed())
  }
}

function closed(): Error {
  return new Error('closed before it listened')
}

function notInherited(name: string): Error {
  const message = 'no socket of that name was given to this process'
  return Object.assign(new Error(`listen ENOTINHERITED: ${message}: ${name}`), { code: 'ENOTINHERITED', address: name })
}

/** The error as it would be of the address that people know. */
function atPath(error: unknown, aside: string, path: string): unknown {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException & { address?: string }).address !== aside)
    return error
  error.message = error.message.replace(aside, path)
  return Object.assign(error, { address: path })
}
