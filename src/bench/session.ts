/**
 * One client connection that makes calls for a measurement: a `Connection` of wire/ on a socket of its own. It sends
 * what one turn of the loop caused in one write, and reads all that comes; its owner decides how many
 * calls are open.
 */
import net from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { dial } from '../transport/dial.ts'
import type { DialAddress } from '../transport/transport.ts'
import { Connection } from '../wire/connection.ts'
import type { ConnectionLimits, ConnectionOwner } from '../wire/connection-options.ts'
import type { ConnectionError, StreamError } from '../wire/protocol-error.ts'
import type { WireStream, WireStreamOwner } from '../wire/stream.ts'

export interface LoadSessionOptions {
  /** Limits of our side, such as the windows for responses. Default: `CONNECTION_LIMITS`. */
  readonly limits?: ConnectionLimits
  /** Connecting, TLS and the server's SETTINGS together may take this long. */
  readonly timeoutMs?: number
}

/** What a session tells while it is open. */
export interface LoadSessionOwner {
  /** `free` is above 0 again, after somebody read it as 0. */
  onFree?(): void
  /** The server takes no new calls on this connection: `free` stays 0, and `onLost` follows the last open call. */
  onGoaway?(reason: string): void
  /** The connection is over and nobody closed it; its streams have been told. It comes once. */
  onLost(reason: string): void
}

const TIMEOUT_MS = 5_000
/** The last bytes, GOAWAY, have this long to leave. */
const CLOSE_MS = 500
/** How often allowances against floods are refilled (see wire/connection.ts). */
const TICK_MS = 1_000

export class LoadSession implements ConnectionOwner {
  readonly #connection: Connection
  readonly #socket: Duplex
  readonly #owner: LoadSessionOwner
  /**
   * Whether the kernel has the bytes that a write took, or a copy of them, so that their memory may be written again.
   */
  readonly #reusable: boolean
  #ready: (() => void) | undefined
  #reason: string | undefined
  /** The error that is the reason, where it is one. */
  #cause: Error | undefined
  #closed = false
  #tickedMs = performance.now()

  private constructor(target: DialAddress, owner: LoadSessionOwner, limits: ConnectionLimits | undefined) {
    this.#owner = owner
    this.#connection = new Connection({ role: 'client', owner: this, limits })
    this.#socket = dial(target)
    this.#reusable = this.#socket instanceof net.Socket
    this.#socket.on('data', this.#onData)
    this.#socket.on('error', this.#onError)
    this.#socket.on('secureConnect', this.#onSecure)
    this.#socket.on('close', this.#onClose)
  }

  /**
   * Resolves when the server's SETTINGS came. @throws Error that says why they did not; its `cause`, where there is one
   */
  static async open(
    target: DialAddress,
    owner: LoadSessionOwner,
    { limits, timeoutMs = TIMEOUT_MS }: LoadSessionOptions = {},
  ): Promise<LoadSession> {
    let lost: (reason: string) => void = () => {}
    const guarded: LoadSessionOwner = {
      onLost: reason => lost(reason),
      onFree: () => owner.onFree?.(),
      onGoaway: reason => owner.onGoaway?.(reason),
    }
    const session = new LoadSession(target, guarded, limits)
    const timer = setTimeout(() => session.#lose(`no HTTP/2 SETTINGS within ${timeoutMs} ms`), timeoutMs)
    try {
      await new Promise<void>((resolve, reject) => {
        session.#ready = resolve
        lost = reason => reject(new Error(`${target.name}: ${reason}`, { cause: session.#cause }))
        session.#connection.start()
      })
    } finally {
      clearTimeout(timer)
    }
    lost = reason => owner.onLost(reason)
    return session
  }

  /** Calls that may be opened now, by the server's settings. */
  get free(): number {
    return this.#connection.free
  }

  /** Only while `free > 0`. */
  call(owner: WireStreamOwner): WireStream {
    return this.#connection.openStream(owner)
  }

  /** Ends it, and every call that is open; `onLost` does not follow. */
  close(): void {
    this.#closed = true
    this.#connection.end('closed')
    this.#flush()
    // A server that stops reading would keep it open, and the process with it.
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_MS)
    this.#socket.once('close', () => clearTimeout(timer))
    this.#socket.end(() => this.#socket.destroy())
  }

  #lose(reason: string): void {
    this.#reason ??= reason
    this.#socket.destroy()
  }

  readonly #onData = (chunk: Buffer): void => {
    const now = performance.now()
    if (now - this.#tickedMs >= TICK_MS) {
      this.#tickedMs = now
      this.#connection.tick(now)
    }
    this.#connection.receive(chunk)
  }

  /** RFC 9113 §3.2: "Implementations that support HTTP/2 over TLS MUST use protocol negotiation in TLS [TLS-ALPN]." */
  readonly #onSecure = (): void => {
    if ((this.#socket as TLSSocket).alpnProtocol !== 'h2') this.#lose('it did not negotiate "h2" by ALPN')
  }

  /** A host with several addresses fails with an AggregateError, which has no message. */
  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.#reason ??= error.message || error.code
    this.#cause ??= error
  }

  readonly #onClose = (): void => {
    const reason = this.#reason ?? 'the server closed the connection'
    this.#connection.closed(reason)
    if (!this.#closed) this.#owner.onLost(reason)
  }

  readonly #flush = (): void => {
    const spans = this.#connection.flush()
    if (spans.length === 0 || this.#socket.destroyed) return
    this.#socket.cork()
    for (let i = 0; i < spans.length - 1; i++) this.#socket.write(spans[i]!)
    this.#socket.write(spans.at(-1)!, this.#onWritten)
    this.#socket.uncork()
    if (this.#socket.writableLength > 0) this.#connection.congested = true
    else if (this.#reusable) this.#connection.reuse()
  }

  readonly #onWritten = (): void => {
    if (this.#socket.writableLength > 0) return
    if (this.#reusable) this.#connection.reuse()
    this.#connection.congested = false
  }

  onPending(): void {
    setImmediate(this.#flush)
  }

  onReady(): void {
    this.#ready?.()
  }

  onFree(): void {
    this.#owner.onFree?.()
  }

  onFailed(error: ConnectionError): void {
    this.#reason ??= error.message
    this.#cause ??= error
    setImmediate(() => {
      this.#flush()
      this.#socket.destroy()
    })
  }

  onGoaway(code: number, debug: string): void {
    this.#reason ??= `GOAWAY ${code}${debug === '' ? '' : `: ${debug}`}`
    this.#owner.onGoaway?.(this.#reason)
  }

  onDrained(): void {
    this.#lose('GOAWAY')
  }

  onStream(): WireStreamOwner {
    throw new Error('a server opened a stream')
  }

  /** The stream's owner hears of it too. */
  onStreamError(_error: StreamError): void {}
  onPong(): void {}
}
