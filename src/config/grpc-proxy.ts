/** What a user has of a proxy. */
import type { Socket } from 'node:net'
import type { BesideOptions, StreamHandler } from '../proxy/carriers.ts'
import type { ChangeSummary } from '../proxy/change.ts'
import type { ListenOptions } from '../proxy/proxy.ts'
import type { OpenCounts, ProxyState, StateOptions } from '../proxy/state.ts'
import type { BoundAddress } from '../transport/listening-socket.ts'
import type { EndpointOptions, ProxyOptions } from './options.ts'

export interface BackendHandle {
  /**
   * All endpoints that there are from now on; `apply` replaces them by those of its options, and so
   * does the source of a backend that has one when it tells its endpoints again. One that was there before
   * keeps its sessions. One that has gone gets no new calls and finishes those that it has. With none, calls fail with
   * UNAVAILABLE.
   * @throws ConfigError; RangeError for a backend that the proxy has not
   */
  setEndpoints(endpoints: readonly EndpointOptions[]): void
}

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

  /**
   * Changes to these options while calls run, as a whole: what they leave out has its default, as in `createProxy`.
   * Routes, backends, endpoints, listeners (those of `start`), certificates, limits, the log's level and records change
   * without a lost call: what is new is there before anything is sent to it, calls in flight keep their backend, sessions
   * what they were made with, and what goes finishes what it has, listeners for `drain.graceMs` at most. Changes are made
   * one after the other.
   * @returns what has changed, and which of the options hold from the next start only
   * @throws ConfigError; Error named UnfitChange for what cannot change while it is in use; the system's error for an
   * address that cannot be had; Error when the proxy is closed. Then nothing has changed.
   */
  apply(options: ProxyOptions): Promise<ChangeSummary>

  /**
   * A backend of the options, by its name, for a service discovery of your own.
   *
   * ```ts
   * proxy.backend('greeter').setEndpoints(['http://10.0.0.1:50051', 'http://10.0.0.2:50051'])
   * ```
   */
  backend(name: string): BackendHandle

  /** What is open now. */
  counts(): OpenCounts

  /**
   * What Prometheus reads, as text (docs/operate.md, "Metrics"). A server of yours may serve it; `admin` does so by itself.
   * @throws Error where the options have neither `metrics` nor `admin`
   */
  metrics(format?: 'prometheus' | 'openmetrics'): string

  /**
   * What goes on at the backends: where their endpoints come from, which of them are used and why others are not, calls,
   * sessions, totals. It is made when it is asked for, in some milliseconds for each thousand endpoints: ask for pages.
   * @throws RangeError for numbers that are none
   */
  state(options?: StateOptions): ProxyState

  /**
   * How often peers broke a rule of HTTP/2 or a limit against floods, by its token; on `frames` sessions. On all:
   * requests that ended with trailers (`request-trailers`), which are not forwarded, load reports of endpoints that
   * cannot be read (`load-report`), and what HTTP/1.1 does not allow (`http1-malformed`, where a listener has `web`).
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
