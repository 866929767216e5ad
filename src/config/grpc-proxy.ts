/** What a user has of a proxy. */
import type { Socket } from 'node:net'
import type { BesideOptions, StreamHandler } from '../proxy/carriers.ts'
import type { BoundAddress } from '../proxy/front.ts'
import type { ListenOptions } from '../proxy/proxy.ts'
import type { OpenCounts } from '../proxy/state.ts'

/**
 * A proxy: it listens by itself (`start`, `listen`), or serves what servers of yours accept (`handler`, `connection`).
 * `await using proxy = createProxy(…)` closes it at the end of the block.
 */
export interface GrpcProxy extends AsyncDisposable {
  /**
   * Serves streams of a user's own server: `server.on('stream', proxy.handler)`. That server's
   * settings and limits hold for its sessions; draining them is its owner's business.
   */
  readonly handler: StreamHandler

  /**
   * Like `handler`, beside what the server has besides: services of its own, and all that is not gRPC.
   *
   * ```ts
   * server.on('stream', proxy.handlerFor({ otherwise: app.callback() }))
   * ```
   */
  handlerFor(options: BesideOptions): StreamHandler

  /**
   * Serves a connection that somebody else accepted: `net.createServer(proxy.connection)`,
   * `tls.createServer({ …, ALPNProtocols: ['h2'] }, proxy.connection)`. Drain and close are the proxy's, for these
   * as for its own; to stop accepting is the server's owner's.
   */
  readonly connection: (socket: Socket) => void

  /** Listens on all addresses of the configuration. @throws like `listen`; then none is left open */
  start(): Promise<BoundAddress[]>

  /**
   * @param options `tls` takes PEM text, not paths
   * @returns the real address
   * @throws Error when the proxy was closed or told to drain;
   * Error with the system's code (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`) when it cannot be had
   */
  listen(options?: ListenOptions): Promise<BoundAddress>

  /** What is open now. */
  counts(): OpenCounts

  /**
   * How often peers broke a rule of HTTP/2 or a limit against floods, by its token; on `frames` sessions. On all:
   * requests that ended with trailers (`request-trailers`), which are not forwarded.
   */
  violations(): Readonly<Record<string, number>>

  /** Lines of the process's log that standard output did not take; a `logger` of your own is not counted. */
  droppedLogLines(): number

  /**
   * Accepts nothing new, tells the clients by GOAWAY, lets the calls in flight finish; after the
   * grace period answers what is left with UNAVAILABLE. Then closes.
   * @param graceMs default: the configuration's `drain.graceMs`
   */
  drain(graceMs?: number): Promise<void>

  /** Ends every call and connection now. Resolves when the sockets are gone, also the second time. */
  close(): Promise<void>
}
