/**
 * What carries HTTP/2 on each side of the proxy. The only file that chooses a transport.
 *
 * The transports that it hands out stay the same objects for the life of the proxy. What they make, they make with the
 * limits of the moment: a session keeps the limits that it began with, and the next one has the new ones.
 */
import { getHeapStatistics } from 'node:v8'
import type { Logger } from 'pino'
import { CallMemory } from '../transport/call-memory.ts'
import { systemClock } from '../transport/clock.ts'
import { framesClientTransport } from '../transport/frames/client.ts'
import type { FramesContext, FramesLimits, SideCounts } from '../transport/frames/frames-context.ts'
import { framesServerTransport } from '../transport/frames/server.ts'
import { Stalls } from '../transport/frames/stalls.ts'
import type { Http1Limits, Http1Transport, OnMalformed } from '../transport/http1/server.ts'
import { type BesideOptions, besideListener, type StreamHandler } from '../transport/native/beside-listener.ts'
import { nativeClientTransport } from '../transport/native/client.ts'
import { type NativeServerLimits, nativeServerTransport, nativeStreamHandler } from '../transport/native/server.ts'
import type { TimerWheel } from '../transport/timer-wheel.ts'
import type { ClientTransport, ServerSessionOwner, ServerTransport, TransportName } from '../transport/transport.ts'
import { FrameCounts } from '../wire/frame-counts.ts'
import { MemoryBudget } from '../wire/memory-budget.ts'

export type { BesideOptions, StreamHandler }

/** Bounds of sessions, and of all of them together; the configuration's reference says what each is for. */
export interface CarrierLimits extends FramesLimits, NativeServerLimits, Http1Limits {
  readonly maxHeaderListBytes: number
  readonly maxHeaderFields: number
  readonly maxConcurrentStreams: number
  readonly streamWindowBytes: number
  readonly sessionWindowBytes?: number
  readonly maxBufferedBytes: number
  /** Default: a quarter of V8's heap, 256 MiB at most. */
  readonly maxCallBytes?: number
  readonly floods: NativeServerLimits['floods'] & FramesLimits['floods']
}

/** What carriers are given by the proxy. */
export interface CarriersContext {
  readonly wheel: TimerWheel
  readonly log: Logger
  /** A peer broke a rule of HTTP/2 or a limit against floods. */
  readonly onViolation: FramesContext['onViolation']
}

/** Made when they are first needed, with the limits of the moment. */
interface Made {
  frames: FramesContext
  server: Partial<Record<TransportName, ServerTransport>>
  client: Partial<Record<TransportName, ClientTransport>>
  http1?: Http1Transport
}

export class Carriers {
  readonly memory: CallMemory
  readonly budget: MemoryBudget
  /** Of all sessions that there ever were, on `frames`. */
  readonly counts: FramesContext['counts'] = { server: sideCounts(), client: sideCounts() }
  readonly #context: CarriersContext
  /** Other limits are no reason for whole handshakes with all endpoints. */
  readonly #tickets: FramesContext['tickets'] = new WeakMap()
  #limits: CarrierLimits
  #made: Made

  constructor(limits: CarrierLimits, context: CarriersContext) {
    this.#limits = limits
    this.#context = context
    this.memory = new CallMemory(limits.maxCallBytes ?? defaultCallBytes())
    this.budget = new MemoryBudget(limits.maxBufferedBytes)
    this.#made = this.#nothingMade()
  }

  /** Sessions that begin from now on have these; the bounds of all sessions together hold at once. */
  update(limits: CarrierLimits): void {
    this.#limits = limits
    this.memory.limitBytes = limits.maxCallBytes ?? defaultCallBytes()
    this.budget.limitBytes = limits.maxBufferedBytes
    this.#made = this.#nothingMade()
  }

  #nothingMade(): Made {
    return { frames: this.#framesContext(), server: {}, client: {} }
  }

  #framesContext(): FramesContext {
    const { wheel, log, onViolation } = this.#context
    return {
      limits: this.#limits,
      clock: systemClock,
      wheel,
      budget: this.budget,
      counts: this.counts,
      tickets: this.#tickets,
      memory: this.memory,
      onViolation,
      onFault: error => log.error({ err: error }, 'a mistake of the proxy cost a connection'),
    }
  }

  /** Made now as well, so that what `native` loads is there before its first connection. */
  server(name: TransportName): ServerTransport {
    this.#serverNow(name)
    return { name, accept: (socket, owner) => this.#serverNow(name).accept(socket, owner) }
  }

  #serverNow(name: TransportName): ServerTransport {
    const { server, frames } = this.#made
    server[name] ??= name === 'native' ? nativeServerTransport(this.#limits) : framesServerTransport(frames)
    return server[name]
  }

  /** For listeners that take gRPC-Web; others load nothing of it. */
  async http1(onMalformed: OnMalformed): Promise<Http1Transport> {
    const { http1Transport } = await import('../transport/http1/server.ts')
    const now = () => (this.#made.http1 ??= http1Transport(this.#limits, systemClock, onMalformed))
    return { accept: (socket, owner) => now().accept(socket, owner) }
  }

  client(name: TransportName): ClientTransport {
    this.#clientNow(name)
    return { name, connect: (address, owner) => this.#clientNow(name).connect(address, owner) }
  }

  #clientNow(name: TransportName): ClientTransport {
    const { client, frames } = this.#made
    client[name] ??=
      name === 'native' ? nativeClientTransport(this.#limits, this.#tickets) : framesClientTransport(frames)
    return client[name]
  }

  /** For streams of a server that is not ours. */
  streamHandler(owner: ServerSessionOwner): StreamHandler {
    return nativeStreamHandler(owner, () => this.#limits.maxHeaderListBytes)
  }

  /** `serve` beside what else such a server has. */
  handlerBeside(serve: StreamHandler, options: BesideOptions): StreamHandler {
    return besideListener(options, { serve, onRequestListener: () => this.#context.log.warn(REQUEST_LISTENER) })
  }
}

function sideCounts(): SideCounts {
  return { frames: new FrameCounts(), stalls: new Stalls(systemClock) }
}

const REQUEST_LISTENER =
  "the http2 server has a request listener beside the proxy's: from now on the listener gets only what is not gRPC, but it " +
  'may have answered the first call. Create the server without one, and give it to proxy.handlerFor({ otherwise: listener })'

/** As much as leaves the heap room for everything else, and no more than any use that was seen needs. */
function defaultCallBytes(): number {
  return Math.min(MAX_DEFAULT_CALL_BYTES, getHeapStatistics().heap_size_limit / 4)
}

/** Some 50,000 calls at a time with heads of 1 KiB. */
const MAX_DEFAULT_CALL_BYTES = 268_435_456
