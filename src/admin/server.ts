/**
 * The admin address: an HTTP/1.1 server for operators and their programs, apart from the calls.
 *
 * | who                | gets             | with a token            | without                                          |
 * |--------------------|------------------|-------------------------|--------------------------------------------------|
 * | load balancers     | `/live` …        | nothing is needed       | nothing is needed                                |
 * | Prometheus         | `/metrics`       | the token               | nothing is needed                                |
 * | browsers           | `/`, `/page/…`   | nothing is needed       | on this machine, by its address or as localhost  |
 * | operators          | everything else  | the token               | on this machine, by its address or as localhost  |
 *
 * A page of a browser that comes from elsewhere gets nothing, although it is on the operator's machine: browsers say so by
 * `sec-fetch-site` with each request and by `origin` with each POST. A name that somebody else's DNS has led here (DNS
 * rebinding) is told by `host`. A link from elsewhere may open the page: there is nothing of the proxy in it, and what it asks
 * for needs what everybody needs.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type https from 'node:https'
import { isIP, type Server } from 'node:net'
import { isLoopback } from '../transport/address-prefix.ts'
import { ListeningSocket, socketName } from '../transport/listening-socket.ts'
import { nodeCrypto, nodeHttps } from '../transport/node-tls.ts'
import type { EventStream } from './event-stream.ts'

export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** A unix socket instead of host and port. */
  readonly path?: string
  /** A socket that was open when the process began; see `ListenAddress`. */
  readonly inherited?: string
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer }
  /** Needed as `authorization: Bearer …`. */
  readonly token?: string
}

/** An answer to a request. */
export interface AdminAnswer {
  readonly status: number
  readonly type: string
  readonly body: string | Buffer
  /** What a browser may load for it; default: nothing. */
  readonly contentSecurity?: string
}

/** An answer that goes on. */
export interface AdminEvents {
  readonly events: EventStream
}

/** A request that was let in. */
export interface AdminRequest {
  readonly path: string
  readonly query: URLSearchParams
  readonly accept: string
  /** Aborts when whoever asked has gone. */
  readonly signal: AbortSignal
}

/** Who may ask; see above. */
export type AdminAccess = 'anyone' | 'reader' | 'browser' | 'operator'

export interface AdminRoute {
  readonly access: AdminAccess
  readonly handle: (request: AdminRequest) => AdminAnswer | AdminEvents | Promise<AdminAnswer | AdminEvents>
}

/** By `GET /path` or `POST /path`; `/path/*` is for all below it. What changes anything is a POST. */
export type AdminRoutes = ReadonlyMap<string, AdminRoute>

/** A few people and programs; more connections than this are a mistake, or an attack. */
const MAX_CONNECTIONS = 64
/** Requests have no body, and small heads. */
const REQUEST_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 15_000
const MAX_HEADER_BYTES = 16_384

function ignoreAcceptError(): void {
  // For want of descriptors. It passes.
}

export class AdminServer {
  #options: AdminOptions
  readonly #routes: AdminRoutes
  readonly #onFault: (error: unknown, path: string) => void
  readonly #server: Server & Pick<http.Server, 'closeAllConnections'>
  readonly #socket: ListeningSocket

  /** @param onFault a handler threw; whoever asked is told only that */
  constructor(options: AdminOptions, routes: AdminRoutes, onFault: (error: unknown, path: string) => void) {
    this.#options = options
    this.#routes = routes
    this.#onFault = onFault
    const settings = {
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    }
    const serve = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response)
    const { tls } = options
    this.#server =
      tls === undefined ? http.createServer(settings, serve) : nodeHttps().createServer({ ...settings, ...tls }, serve)
    this.#server.maxConnections = MAX_CONNECTIONS
    const name = socketName(options)
    // A listener may be at a free port too.
    const unlike = name.endsWith(':0') ? `admin ${name}` : name
    this.#socket = new ListeningSocket(this.#server, options, ignoreAcceptError, unlike)
  }

  /** @returns the address that it has. @throws the system's error where that cannot be had */
  async listen(): Promise<string> {
    return (await this.#socket.listen()).address
  }

  /** Another token, and other certificates, for what comes from now on; the address and whether it has TLS stay. */
  update(options: AdminOptions): void {
    this.#options = options
    if (options.tls !== undefined) (this.#server as https.Server).setSecureContext(options.tls)
  }

  /** Resolves when the last connection is gone. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#server.once('close', resolve)
      this.#socket.stop()
      this.#server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Nobody reads a body here.
    request.resume()
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    const url = URL.parse(request.url ?? '/', 'http://admin')
    const answer = url === null ? text(400, 'the path cannot be read') : await this.#answer(request, url, gone.signal)
    if (!('events' in answer)) return send(response, answer)
    if (!gone.signal.aborted) listen(response, answer.events)
  }

  async #answer(request: IncomingMessage, url: URL, signal: AbortSignal): Promise<AdminAnswer | AdminEvents> {
    const { headers } = request
    const route = this.#routeOf(request, url.pathname)
    const refusal = this.#refusal(request, route?.access ?? 'operator')
    if (refusal !== undefined) return refusal
    if (route === undefined) return this.#unknown(url.pathname)
    try {
      return await route.handle({
        ...{ path: url.pathname, query: url.searchParams },
        ...{ accept: headers.accept ?? '', signal },
      })
    } catch (error) {
      this.#onFault(error, url.pathname)
      return text(500, 'the proxy made a mistake; the log has it')
    }
  }

  #routeOf({ method }: IncomingMessage, path: string): AdminRoute | undefined {
    const verb = method === 'HEAD' ? 'GET' : method
    return this.#routes.get(`${verb} ${path}`) ?? this.#routes.get(`${verb} ${path.replace(/[^/]+$/, '*')}`)
  }

  #unknown(path: string): AdminAnswer {
    const methods = ['GET', 'POST'].filter(method => this.#routes.has(`${method} ${path}`))
    if (methods.length > 0) return text(405, `${path} needs ${methods.join(' or ')}`)
    return text(404, `there is no such page; there are: ${[...this.#routes.keys()].join(', ')}`)
  }

  /** @returns undefined: it is let in */
  #refusal({ headers, socket }: IncomingMessage, access: AdminAccess): AdminAnswer | undefined {
    if (access === 'anyone') return undefined
    const { host = '', origin, authorization } = headers
    const site = headers['sec-fetch-site']
    const isFromElsewhere = site !== undefined && site !== 'same-origin' && site !== 'none'
    const isOpened = access === 'browser' && headers['sec-fetch-dest'] === 'document'
    if ((isFromElsewhere && !isOpened) || (origin !== undefined && !isOwn(origin, host))) {
      return text(403, 'a page from elsewhere gets nothing')
    }
    const { token } = this.#options
    if (token !== undefined) {
      if (access === 'browser') return undefined
      if (authorization !== undefined && isSame(authorization, `Bearer ${token}`)) return undefined
      return text(401, 'needs the token: authorization: Bearer …')
    }
    if (access === 'reader') return undefined
    if (!isLocal(socket.remoteAddress))
      return text(403, 'from another machine this needs a token, and none is configured')
    return this.#isKnown(host) ? undefined : text(421, 'write the address itself, or localhost')
  }

  #isKnown(host: string): boolean {
    const name = host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
    return this.#options.path !== undefined || isIP(name) !== 0 || name === 'localhost' || name === this.#options.host
  }
}

/** @param address undefined for a unix socket, or a connection that is gone */
function isLocal(address: string | undefined): boolean {
  return address === undefined || isLoopback(address)
}

function isOwn(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`
}

/** In a time that says nothing about where they differ, and nothing about how long they are. */
function isSame(one: string, other: string): boolean {
  const { createHash, timingSafeEqual } = nodeCrypto()
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}

export function text(status: number, sentence: string): AdminAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${sentence}\n` }
}

export function json(value: unknown, status = 200): AdminAnswer {
  return { status, type: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` }
}

/** Nothing of what is answered is for pages of others, nor kept anywhere. */
function headersOf({ type, contentSecurity = "default-src 'none'" }: Pick<AdminAnswer, 'type' | 'contentSecurity'>) {
  return {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'content-security-policy': `${contentSecurity}; frame-ancestors 'none'`,
  }
}

function send(response: ServerResponse, answer: AdminAnswer): void {
  const { status, body } = answer
  response.writeHead(status, {
    ...headersOf(answer),
    'content-length': Buffer.byteLength(body),
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
  })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

function listen(response: ServerResponse, events: EventStream): void {
  if (response.req.method === 'HEAD') return send(response, { status: 200, type: EVENTS, body: '' })
  if (!events.hasRoom) return send(response, text(503, 'too many look already; close a page or a terminal'))
  response.writeHead(200, headersOf({ type: EVENTS }))
  response.flushHeaders()
  events.add(response)
}

const EVENTS = 'text/event-stream'
