/** Messages of one direction of a call: all of the same size. */
import { grpcMessage } from '../subjects/world.ts'

export interface Messages {
  readonly count: number
  /** The size of each, with its prefix. */
  readonly bytes: number
}

/** gRPC's prefix: a flag, and the length in four bytes. */
export const PREFIX_BYTES = 5
/** The one size that no message has: its payload is a field of Protocol Buffers, or nothing (see `grpcMessage`). */
export const NO_MESSAGE_BYTES = 6
/** The most that a call can ask for, so that a wrong number is an error and not tried. */
export const MAX_MESSAGES = 1_000_000
export const MAX_MESSAGE_BYTES = 67_108_864

/** Messages kept: a load has one or two sizes, a backend those of the scenarios that follow one another. */
const KEPT = 8
const made = new Map<number, Buffer>()
const patterns = new Map<number, Buffer>()
/** The length of a run of small messages, so that a frame is compared in one piece. */
const PATTERN_BYTES = 32_768

/** One message of that size, the same buffer each time. Do not write to it. */
export function messageOf(bytes: number): Buffer {
  return kept(made, bytes, grpcMessage)
}

/** Messages of that size one after the other: one, or more where it is small. Do not write to it. */
export function patternOf(bytes: number): Buffer {
  return kept(patterns, bytes, () => {
    const message = messageOf(bytes)
    return bytes >= PATTERN_BYTES ? message : Buffer.alloc(Math.ceil(PATTERN_BYTES / bytes) * bytes, message)
  })
}

function kept(all: Map<number, Buffer>, bytes: number, make: (bytes: number) => Buffer): Buffer {
  const known = all.get(bytes)
  if (known !== undefined) return known
  if (all.size === KEPT) all.clear()
  const buffer = make(bytes)
  all.set(bytes, buffer)
  return buffer
}

export function totalBytes({ count, bytes }: Messages): number {
  return count * bytes
}
