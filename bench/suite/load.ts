/**
 * Makes the calls of a closed loop: `h2load`, which counts them and their bytes, or our own, which checks each byte.
 */
import { generate } from '../load/generator.ts'
import { h2load } from '../load/h2load.ts'
import type { LoadOptions, Percentiles, Shape } from '../load/shape.ts'
import { BULK_BYTES, BULK_PATH, SMALL_BYTES, SMALL_PATH } from '../subjects/world.ts'
import type { Target } from './scenario.ts'

export interface Outcome {
  readonly calls: number
  readonly seconds: number
  /** Bytes of DATA and gRPC messages, both ways. */
  readonly dataBytes: number
  readonly messages: number
  /** Where the load knows it. */
  readonly latency?: Percentiles
}

/** Makes that many calls. @throws Error when a single one failed, as far as this load can tell */
export type Load = (target: Target, calls: number) => Promise<Outcome>

export interface Crowd {
  readonly connections: number
  /** The calls open on each, all the time. */
  readonly streams: number
}

export const SMALL: Shape = { kind: 'unary', requestBytes: SMALL_BYTES, responseBytes: SMALL_BYTES }

/** A download that `h2load` can make from `nghttpd`. */
export interface Download {
  readonly path: string
  readonly responseBytes: number
  /** Bits of the client's stream and connection windows, where h2load's default of 30 does not fit. */
  readonly windowBits?: readonly [stream: number, connection: number]
}

export const SMALL_DOWNLOAD: Download = { path: SMALL_PATH, responseBytes: SMALL_BYTES }
/** Windows of 16 MiB for a stream and 64 MiB for a connection, so that the subject is the limit and not the client. */
export const BULK_DOWNLOAD: Download = { path: BULK_PATH, responseBytes: BULK_BYTES, windowBits: [24, 26] }

export function loadOfH2load({ path, responseBytes, windowBits }: Download, crowd: Crowd): Load {
  return async ({ proxy, world }, calls) => {
    const scheme = world.tls === undefined ? 'http' : 'https'
    const request = { url: `${scheme}://127.0.0.1:${proxy.port}${path}`, bodyFile: world.message, responseBytes }
    const { seconds } = await h2load(request, { clients: crowd.connections, streams: crowd.streams, windowBits }, calls)
    return { calls, seconds, dataBytes: calls * (SMALL_BYTES + responseBytes), messages: calls * 2 }
  }
}

/** @param more further options, for example headers of the calls */
export function ownLoad(shape: Shape, { connections, streams }: Crowd, more: Partial<LoadOptions> = {}): Load {
  return (target, calls) =>
    generate({ ...addressOf(target), connections, shape, ...more, mode: { kind: 'closed', streams, calls } })
}

/** Calls with the tokens of the world. */
export function tokenLoad(shape: Shape, crowd: Crowd): Load {
  return (target, calls) => ownLoad(shape, crowd, { tokens: target.world.issued?.tokens })(target, calls)
}

/** Each call on a connection of its own. */
export function connectLoad(shape: Shape, connections: number): Load {
  return (target, calls) => generate({ ...addressOf(target), connections, shape, mode: { kind: 'connect', calls } })
}

export function addressOf({ proxy, world }: Target): Pick<LoadOptions, 'port' | 'tls'> {
  return { port: proxy.port, tls: world.tls === undefined ? undefined : { ca: world.tls.ca } }
}
