/** What happens around calls, as lines of the log. What strangers sent is cut and escaped. */
import type { Logger } from 'pino'
import type { SourceProblem } from '../backend/endpoint-source.ts'
import { shownCause, shownPath } from '../observe/log-fields.ts'
import type { BoundAddress } from '../transport/listening-socket.ts'
import type { ServerSession } from '../transport/transport.ts'
import type { ListenerSetup } from './setup.ts'

/** Lines about endpoints, where they are not for debugging. */
const LEVELS: Readonly<Record<string, 'warn' | 'info'>> = {
  ...{ 'connect-failed': 'warn', 'asked-too-often': 'warn', unhealthy: 'warn', ejected: 'warn' },
  ...{ healthy: 'info', readmitted: 'info' },
}

export class EventLog {
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  readonly listening = ({ tls, transport }: ListenerSetup, { address }: BoundAddress): void =>
    this.#log.info({ address, tls: tls !== undefined, transport }, `listening on ${address}`)

  readonly clientGone = ({ peer }: ServerSession, reason: string): void =>
    this.#log.debug({ peer: peer.address, reason: shownCause(reason) }, 'client session closed')

  readonly refused = (refusal: string, peer: string, detail: string): void =>
    this.#log.info({ peer, refusal, detail: shownCause(detail) }, 'connection refused')

  readonly endpoint = (event: string, endpoint: string, detail: string): void => {
    this.#log[LEVELS[event] ?? 'debug']({ endpoint, detail: shownCause(detail) }, `endpoint ${event}`)
  }

  /** @param again it was told before, so once is enough */
  readonly oddity = (endpoint: string, detail: string, again: boolean): void => {
    if (!again) this.#log.warn({ endpoint, detail: shownCause(detail) }, 'endpoint tells what cannot be used')
  }

  readonly source = (backend: string, problem: SourceProblem | undefined): void => {
    if (problem === undefined) return this.#log.info({ backend }, 'endpoints are known again')
    const what =
      problem.kind === 'lost' ? 'endpoints cannot be had; those from before stay' : 'not all endpoints are used'
    this.#log.warn({ backend, detail: shownCause(problem.text) }, what)
  }

  readonly fault = (message: string, path: string, cause: unknown): void =>
    this.#log.error({ path: shownPath(path), err: cause }, message)
}
