/** What happens around calls, as lines of the log. What strangers sent is cut and escaped. */
import type { Logger } from 'pino'
import type { SourceProblem } from '../backend/endpoint-source.ts'
import { connectAdvice } from '../observe/advice.ts'
import { shownCause, shownPath } from '../observe/log-fields.ts'
import type { LineKind, LineLevel, Repeats } from '../observe/repeats.ts'
import type { Refusal } from '../transport/acceptor.ts'
import { plainReason } from '../transport/connect-failure.ts'
import type { BoundAddress } from '../transport/listening-socket.ts'
import type { ServerSession } from '../transport/transport.ts'
import type { ConnectionError, StreamError } from '../wire/protocol-error.ts'
import type { ListenerSetup } from './setup.ts'

/** Lines about endpoints, where they are not for debugging. */
const LEVELS: Readonly<Record<string, 'warn' | 'info'>> = {
  ...{ 'connect-failed': 'warn', 'asked-too-often': 'warn', unhealthy: 'warn', ejected: 'warn' },
  ...{ healthy: 'info', readmitted: 'info' },
}

/** What to do about connections that did not become sessions. */
const REFUSAL_ADVICE: Readonly<Record<Refusal, string>> = {
  http1:
    'the client speaks HTTP/1: it is no gRPC client, or a probe or a load balancer is set to HTTP/1; probes belong to the admin address',
  'not-http2': 'the client speaks TLS to a listener without tls, or no HTTP/2 at all',
  silent: 'a client, a probe or a port scan connected and said nothing; limits.prefaceTimeoutMs is the bound',
  'no-alpn': 'let the client offer "h2" by ALPN',
  tls: 'the TLS handshake failed: the detail says why; a client that speaks plaintext fails in this way too',
  'proxy-header':
    'the listener takes connections of the load balancers in proxyProtocol.from only, each with a header of the PROXY protocol',
  'too-many': 'the listener has limits.maxClientSessions connections, and none that is idle',
  'too-many-of-address': 'this address has more than its part of the connections; limits.maxClientSessionsPerAddress',
}

export class EventLog {
  readonly #log: Logger
  readonly #repeats: Repeats
  readonly #count: (token: string) => void

  /** @param count what a peer did wrong, by token */
  constructor(log: Logger, repeats: Repeats, count: (token: string) => void) {
    this.#log = log
    this.#repeats = repeats
    this.#count = count
  }

  readonly listening = ({ tls, transport }: ListenerSetup, { address }: BoundAddress): void =>
    this.#log.info({ address, tls: tls !== undefined, transport }, `listening on ${address}`)

  readonly clientGone = ({ peer }: ServerSession, reason: string): void =>
    this.#log.debug({ peer: peer.address, reason: shownCause(reason) }, 'client session closed')

  readonly refused = (refusal: Refusal, peer: string, detail: string): void => {
    const advice = REFUSAL_ADVICE[refusal]
    this.#often('info', 'connection refused', { refusal }, { peer, detail: shownCause(plainReason(detail)), advice })
  }

  get ofFront() {
    return { onListening: this.listening, onNotWeb: this.notWeb, onFileFault: this.fileFault }
  }

  /** What a client may cause as often as it likes. @param kind what lines have in common that are counted together */
  #often(level: LineLevel, message: string, kind: LineKind['fields'], fields: object): void {
    if (!this.#log.isLevelEnabled(level)) return
    const key = `${message}|${Object.values(kind).join('|')}`
    if (this.#repeats.admits(key, () => ({ level, message, fields: kind }))) {
      this.#log[level]({ ...kind, ...fields }, message)
    }
  }

  readonly malformed = (peer: string, detail: string): void => {
    this.#count('http1-malformed')
    this.#often('warn', 'a client broke a rule of HTTP/1.1', { detail }, { peer })
  }

  readonly notWeb = ({ peer }: ServerSession, detail: string): void =>
    this.#often('info', 'a request over HTTP/1.1 is not gRPC-Web', { detail }, { peer: peer.address })

  /** The folder of a listener with `web.static`. */
  readonly fileFault = (error: unknown): void => {
    const { code, message } = error as NodeJS.ErrnoException
    this.#often('error', 'a file cannot be served', { code }, { detail: shownCause(message) })
  }

  readonly endpoint = (event: string, endpoint: string, detail: string): void => {
    const advice = event === 'connect-failed' ? connectAdvice(detail) : undefined
    this.#log[LEVELS[event] ?? 'debug']({ endpoint, detail: shownCause(detail), ...advice }, `endpoint ${event}`)
  }

  /** A peer broke a rule of HTTP/2, or a limit against floods. */
  readonly violation = (peer: string, { name, token, message }: ConnectionError | StreamError): void => {
    this.#count(token)
    const level = name === 'ConnectionError' ? 'warn' : 'debug'
    this.#often(level, 'a peer broke a rule of HTTP/2', { violation: token }, { peer, detail: shownCause(message) })
  }

  /** @param again it was told before, so once is enough */
  readonly oddity = (token: string, endpoint: string, detail: string, again: boolean): void => {
    this.#count(token)
    if (!again) this.#log.warn({ endpoint, detail: shownCause(detail) }, 'endpoint tells what cannot be used')
  }

  readonly source = (backend: string, problem: SourceProblem | undefined): void => {
    if (problem === undefined) return this.#log.info({ backend }, 'endpoints are known again')
    const what =
      problem.kind === 'lost' ? 'endpoints cannot be had; those from before stay' : 'not all endpoints are used'
    this.#log.warn({ backend, detail: shownCause(problem.text) }, what)
  }

  readonly fault = (message: string, path: string, cause: unknown): void =>
    this.#often('error', message, {}, { path: shownPath(path), err: cause })
}
