/**
 * gRPC next to the rest of an http2 server: calls go to the proxy, all other requests to the request listener of the
 * host (an application of fastify, koa, express, connect-node, a plain function).
 *
 * Node serves a request listener by a `'stream'` listener of its own, the compatibility layer. When it is attached to
 * the same server, it answers the same streams, in the order in which the two were added: calls ended INTERNAL, and its
 * answer to `'wantTrailers'` threw ERR_HTTP2_TRAILERS_ALREADY_SENT where nobody could catch it. So a request listener
 * is best given to `handlerFor`. If one is attached all the same, it is found at the first stream: its layer is taken
 * off the server and called for requests that are not gRPC, and a warning says so once.
 *
 * What we know about the layer, on Node 22, 24 and 26: its name; that its first act is to listen to the stream's
 * `'wantTrailers'`; that it emits `'request'` in the same turn; and that its listeners to `'close'` let go of the
 * stream.
 */
import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { isGrpcContentType } from '../../grpc/metadata.ts'
import { nodeHttp2 } from './node-http2.ts'

/** The listener of an http2 server's `'stream'` event. */
export type StreamHandler = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: readonly string[],
) => void

export interface BesideOptions {
  /**
   * gRPC services that this process serves itself, by service (`'pkg.Service'`) or by whole path
   * (`'/pkg.Service/Method'`, tried first). In a map each has a handler of its streams; those of a list, or for which a
   * function says true, are served by `otherwise` (connect-node serves gRPC by a request listener).
   */
  readonly local?:
    | Readonly<Record<string, StreamHandler>>
    | readonly string[]
    | ((path: string, headers: IncomingHttpHeaders) => boolean)
  /**
   * Gets every request that is not gRPC (by its content type), in Node's compatibility form. Without it the
   * proxy gets those too, and answers 415 unless `acceptNonGrpc` is set.
   */
  // biome-ignore lint/suspicious/noExplicitAny: each framework has its own types for the two.
  readonly otherwise?: (request: any, response: any) => unknown
}

/** What the handler needs of the proxy. */
export interface BesideOwner {
  readonly serve: StreamHandler
  /** The server has a request listener of its own. This comes once for each server. */
  onRequestListener(): void
}

/** A handler, or true: the request listener. */
type Local = (path: string, headers: IncomingHttpHeaders) => StreamHandler | boolean | undefined

const LAYER = 'bound onServerStream'
/** An event with a request as its first argument. */
const REQUEST_EVENTS: ReadonlySet<unknown> = new Set(['request', 'checkContinue', 'checkExpectation', 'connect'])

export function besideListener({ local, otherwise }: BesideOptions, owner: BesideOwner): StreamHandler {
  const localOf = local === undefined ? undefined : lookUp(local)
  // This server does not listen: its compatibility layer makes request and response of the streams that it is given.
  const web = otherwise === undefined ? undefined : nodeHttp2().createServer(otherwise)
  const hosts = new WeakMap<EventEmitter, Host>()

  return function handle(this: unknown, stream, headers, flags, rawHeaders) {
    const host = hostOf(this, stream, hosts, owner)
    const shared = isShared(stream)
    const service = serviceOf(headers, localOf)
    if (service === 'web') {
      if (shared || host?.layerFollows === true) return
      if (web !== undefined) web.emit('stream', stream, headers, flags, rawHeaders)
      else if (host?.layer !== undefined) host.layer.call(host.server, stream, headers, flags, rawHeaders)
      else owner.serve(stream, headers, flags, rawHeaders)
      return
    }
    // The stream is answered already. The message in the log says how to avoid this.
    if (shared && stream.headersSent) return
    if (shared) letGo(stream)
    else if (host?.layerFollows === true) keepFromListener(host.server, stream)
    const serve = service ?? owner.serve
    serve(stream, headers, flags, rawHeaders)
  }
}

/** `'web'`: the request listener serves it. */
function serviceOf(headers: IncomingHttpHeaders, localOf: Local | undefined): StreamHandler | 'web' | undefined {
  if (!isGrpcContentType(headers['content-type'] ?? '')) return 'web'
  const own = localOf?.(headers[':path'] ?? '', headers)
  return own === true ? 'web' : own || undefined
}

function lookUp(local: NonNullable<BesideOptions['local']>): Local {
  if (typeof local === 'function') return local
  const handlers = new Map<string, StreamHandler | true>(
    Array.isArray(local) ? local.map(name => [name, true]) : Object.entries(local),
  )
  return path => handlers.get(path) ?? handlers.get(path.slice(1, Math.max(1, path.lastIndexOf('/'))))
}

/** A server that a handler listens to. */
interface Host {
  readonly server: EventEmitter
  /** The listeners of its streams, when they were last looked at. */
  listeners: number
  /** The listener that was taken off the server. */
  layer: ((...args: unknown[]) => void) | undefined
  /** It was found behind us just now, so it will get the stream of this turn too. */
  layerFollows: boolean
}

/** @param server what the handler was called on: undefined, or something else, when somebody calls it by hand */
function hostOf(
  server: unknown,
  stream: ServerHttp2Stream,
  hosts: WeakMap<EventEmitter, Host>,
  owner: BesideOwner,
): Host | undefined {
  if (!(server instanceof EventEmitter)) return undefined
  let host = hosts.get(server)
  if (host === undefined) {
    host = { server, listeners: 0, layer: undefined, layerFollows: false }
    hosts.set(server, host)
  }
  host.layerFollows = false
  if (server.listenerCount('stream') === host.listeners) return host
  const layer = server.listeners('stream').find(listener => listener.name === LAYER)
  if (layer !== undefined) {
    server.removeListener('stream', layer as Host['layer'] & object)
    if (host.layer === undefined) owner.onRequestListener()
    host.layer = layer as Host['layer']
    // A listener that is taken off during an event still gets that event.
    host.layerFollows = !isShared(stream)
  }
  host.listeners = server.listenerCount('stream')
  return host
}

/** The layer had this stream before us in this turn, so the request listener was called. */
function isShared(stream: ServerHttp2Stream): boolean {
  return stream.listenerCount('wantTrailers') > 0
}

/** The layer, and so whoever has request and response, takes the stream for closed: what they write is dropped. */
export function letGo(stream: ServerHttp2Stream): void {
  for (const listener of stream.listeners('close')) {
    if (listener.name.startsWith('onStreamClose')) listener.call(stream)
  }
}

/** The layer comes next with this stream. What it emits then is the last it does with it. */
function keepFromListener(server: EventEmitter, stream: ServerHttp2Stream): void {
  const own = Object.getOwnPropertyDescriptor(server, 'emit')
  const emit = server.emit
  server.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    const [request] = args as ({ stream?: unknown } | undefined)[]
    if (!REQUEST_EVENTS.has(event) || request?.stream !== stream) return emit.call(server, event, ...args)
    letGo(stream)
    return true
  }
  process.nextTick(() => {
    if (own === undefined) Reflect.deleteProperty(server, 'emit')
    else Object.defineProperty(server, 'emit', own)
  })
}
