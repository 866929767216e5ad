/**
 * `grpc.health.v1.Health`, answered in this process (grpc/grpc doc/health-checking.md): an endpoint to which a backend
 * has sessions as to any other, so that relays, deadlines, records and drains know its calls as those of others.
 *
 * Who watches is looked after by one timer for all. A watcher that does not read holds one message, and is told the
 * latest status once it does.
 */
import {
  HEALTH_CHECK_PATH,
  HEALTH_WATCH_PATH,
  healthResponse,
  readHealthRequest,
  ServingStatus,
} from '../grpc/health-message.ts'
import { prefixed } from '../grpc/message.ts'
import { Status } from '../grpc/status.ts'
import type { Clock, Timer } from '../transport/clock.ts'
import type { ClientSession, ClientSessionOwner, ClientTransport, DialAddress } from '../transport/transport.ts'
import { AnsweringSession } from './answering-session.ts'
import type { AnsweringStream } from './answering-stream.ts'

/** How soon a watcher learns of a change. */
const LOOK_MS = 1_000
/** A status is computed anew no more often: a backend may have thousands of endpoints, and a client ask without end. */
const FRESH_MS = 100
/** One for each service that a client calls, or for each of some clients whose calls another proxy puts on one session. */
const MOST_WATCHES_OF_CLIENT = 32
/**
 * Clients that check health by themselves (gRFC A17) have one for each connection, and send no calls where it is refused.
 * So this is more than a proxy has clients; what they take in memory is counted as that of all calls.
 */
const MOST_WATCHES = 16_384
/** How long watchers may take to read why their calls end. */
const FAREWELL_MS = 1_000
const SHUTTING_DOWN = 'the proxy is shutting down'

/** What is said of a service; undefined: nobody knows it. */
export type StatusOf = (service: string) => ServingStatus | undefined

/** A status that was computed a moment ago. */
interface Known {
  readonly status: ServingStatus
  readonly untilMs: number
}

interface Watch {
  readonly stream: AnsweringStream
  readonly service: string
  told: ServingStatus
}

export class HealthService implements ClientTransport {
  /** None of them carries it. */
  readonly name = 'frames'
  readonly #statusOf: StatusOf
  readonly #clock: Clock
  /** Those that were asked for, of the services that there are. */
  readonly #known = new Map<string, Known>()
  readonly #watches = new Map<AnsweringStream, Watch>()
  /** How many of them a client has. */
  readonly #ofClient = new WeakMap<object, number>()
  #timer: Timer | undefined
  #draining = false

  constructor(statusOf: StatusOf, clock: Clock) {
    this.#statusOf = statusOf
    this.#clock = clock
  }

  connect(_address: DialAddress, owner: ClientSessionOwner): ClientSession {
    return new AnsweringSession(this, owner)
  }

  /** @returns whether there is such a method */
  has(path: string): boolean {
    return path === HEALTH_CHECK_PATH || path === HEALTH_WATCH_PATH
  }

  /** A request is complete. */
  onRequest(stream: AnsweringStream, path: string, message: Buffer): void {
    const service = readHealthRequest(message)
    if (service === undefined) return stream.fail(Status.INTERNAL, 'the message is no HealthCheckRequest')
    if (path === HEALTH_CHECK_PATH) this.#check(stream, service)
    else this.#watch(stream, service)
  }

  #check(stream: AnsweringStream, service: string): void {
    const status = this.#now(service)
    if (status === undefined) return stream.fail(Status.NOT_FOUND, 'unknown service')
    stream.begin()
    stream.send(bytesOf(status))
    stream.end(Status.OK, '')
  }

  #watch(stream: AnsweringStream, service: string): void {
    if (this.#draining) return stream.fail(Status.UNAVAILABLE, SHUTTING_DOWN)
    const { client } = stream
    const watches = this.#ofClient.get(client) ?? 0
    if (watches >= MOST_WATCHES_OF_CLIENT || this.#watches.size >= MOST_WATCHES)
      return stream.fail(Status.RESOURCE_EXHAUSTED, 'too many calls watch already')
    const told = this.#now(service) ?? ServingStatus.SERVICE_UNKNOWN
    this.#ofClient.set(client, watches + 1)
    this.#watches.set(stream, { stream, service, told })
    stream.begin()
    stream.send(bytesOf(told))
    this.#timer ??= this.#clock.after(LOOK_MS, this.#look)
  }

  /** The call of this stream is over. */
  onOver(stream: AnsweringStream): void {
    if (!this.#watches.delete(stream)) return
    const { client } = stream
    this.#ofClient.set(client, this.#ofClient.get(client)! - 1)
    if (this.#watches.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #now(service: string): ServingStatus | undefined {
    if (this.#draining) return this.#statusOf(service) === undefined ? undefined : ServingStatus.NOT_SERVING
    const known = this.#known.get(service)
    const nowMs = this.#clock.now()
    if (known !== undefined && nowMs < known.untilMs) return known.status
    const status = this.#statusOf(service)
    if (status === undefined) this.#known.delete(service)
    else this.#known.set(service, { status, untilMs: nowMs + FRESH_MS })
    return status
  }

  readonly #look = (): void => {
    this.#timer = this.#clock.after(LOOK_MS, this.#look)
    for (const watch of this.#watches.values()) {
      const status = this.#now(watch.service) ?? ServingStatus.SERVICE_UNKNOWN
      if (status === watch.told || watch.stream.unreadBytes > 0) continue
      watch.told = status
      watch.stream.send(bytesOf(status))
    }
  }

  /** From now on nothing serves: all who watch are told, and their calls end. */
  drain(): void {
    if (this.#draining) return
    this.#draining = true
    for (const { stream, told } of [...this.#watches.values()]) {
      // Services that nobody knows serve no more than the others now.
      if (told !== ServingStatus.NOT_SERVING) stream.send(bytesOf(ServingStatus.NOT_SERVING))
      stream.end(Status.UNAVAILABLE, SHUTTING_DOWN)
    }
    this.#timer?.cancel()
    this.#timer = this.#clock.after(FAREWELL_MS, this.#giveUp)
  }

  /** Who has not read it by now would hold up the drain. */
  readonly #giveUp = (): void => {
    for (const stream of [...this.#watches.keys()]) stream.giveUp()
  }
}

function bytesOf(status: ServingStatus): Buffer {
  return prefixed(healthResponse(status))
}
