/**
 * What goes both ways in a call of a shape, and how a call tells the backend: by its path and, on `Shapes`, by
 * metadata. `Echo` needs none, so that a server of files (nghttpd) can stand in for our backend.
 *
 * | path                         | the backend answers                            |
 * | ---------------------------- | ---------------------------------------------- |
 * | `SMALL_PATH`                 | `SMALL_BYTES`, whatever the request is         |
 * | `BULK_PATH`                  | `BULK_BYTES`, whatever the request is          |
 * | `/verbatim.bench.Shapes/…`   | as `x-response-…` says, and checks the request |
 */
import { firstValue } from '../../src/grpc/metadata.ts'
import type { HeaderField } from '../../src/wire/index.ts'
import { BULK_BYTES, BULK_PATH, SMALL_BYTES, SMALL_PATH } from '../subjects/world.ts'
import {
  MAX_MESSAGE_BYTES,
  MAX_MESSAGES,
  type Messages,
  NO_MESSAGE_BYTES,
  PREFIX_BYTES,
  totalBytes,
} from './messages.ts'
import type { Shape } from './shape.ts'

/** When responses go out: once the request has ended, one for each request, or as soon as the call is there. */
export type Answer = 'after' | 'each' | 'at-once'

export interface CallPlan {
  readonly path: string
  readonly request: Messages
  readonly response: Messages
  readonly answer: Answer
  /** Whether the backend ignores metadata and request. */
  readonly echo: boolean
}

const SMALL: Messages = { count: 1, bytes: SMALL_BYTES }
const ECHOES: Readonly<Record<string, number>> = { [SMALL_PATH]: SMALL_BYTES, [BULK_PATH]: BULK_BYTES }
const ANSWERS: Readonly<Record<string, Answer>> = {
  '/verbatim.bench.Shapes/Unary': 'after',
  '/verbatim.bench.Shapes/ServerStream': 'after',
  '/verbatim.bench.Shapes/ClientStream': 'after',
  '/verbatim.bench.Shapes/PingPong': 'each',
  '/verbatim.bench.Shapes/Duplex': 'at-once',
}
const METHODS: Readonly<Record<Shape['kind'], string>> = {
  unary: 'Unary',
  'server-stream': 'ServerStream',
  'client-stream': 'ClientStream',
  'ping-pong': 'PingPong',
  duplex: 'Duplex',
}
/** The metadata in which a call on `Shapes` carries its plan. */
const NAMES = ['x-request-messages', 'x-request-bytes', 'x-response-messages', 'x-response-bytes'] as const

/** @throws RangeError for a shape that no call can have */
export function planOf(shape: Shape): CallPlan {
  if (shape.kind === 'unary') {
    const request = checked({ count: 1, bytes: shape.requestBytes })
    const response = checked({ count: 1, bytes: shape.responseBytes })
    const echo = Object.keys(ECHOES).find(path => ECHOES[path] === response.bytes)
    if (echo !== undefined && request.bytes === SMALL_BYTES) {
      return { path: echo, request, response, answer: 'after', echo: true }
    }
    return shaped(shape.kind, request, response)
  }
  const many = checked({ count: shape.messages, bytes: shape.messageBytes })
  const request = shape.kind === 'server-stream' ? SMALL : many
  const response = shape.kind === 'client-stream' ? SMALL : many
  return shaped(shape.kind, request, response)
}

/** Bytes of DATA, both ways. */
export function bytesOf({ request, response }: CallPlan): number {
  return totalBytes(request) + totalBytes(response)
}

/** The metadata that carries the plan. */
export function metadataOf({ request, response, echo }: CallPlan): readonly (readonly [name: string, value: string])[] {
  if (echo) return []
  const values = [request.count, request.bytes, response.count, response.bytes]
  return NAMES.map((name, i) => [name, String(values[i])] as const)
}

/** The plan in a call's headers. @throws RangeError that says what is wrong with them */
export function readPlan(block: readonly HeaderField[]): CallPlan {
  const path = firstValue(block, ':path') ?? ''
  const echoed = ECHOES[path]
  if (echoed !== undefined) {
    return { path, request: SMALL, response: { count: 1, bytes: echoed }, answer: 'after', echo: true }
  }
  const answer = ANSWERS[path]
  if (answer === undefined) throw new RangeError(`no method ${path}; there are ${allPaths()}`)
  const [requests, requestBytes, responses, responseBytes] = NAMES.map(name => numberOf(block, name))
  const request = checked({ count: requests!, bytes: requestBytes! })
  const response = checked({ count: responses!, bytes: responseBytes! })
  if (answer === 'each' && request.count !== response.count) {
    throw new RangeError(`${path}: ${request.count} requests and ${response.count} responses; they must be as many`)
  }
  return { path, request, response, answer, echo: false }
}

function shaped(kind: Shape['kind'], request: Messages, response: Messages): CallPlan {
  const path = `/verbatim.bench.Shapes/${METHODS[kind]}`
  return { path, request, response, answer: ANSWERS[path]!, echo: false }
}

function checked(messages: Messages): Messages {
  const { count, bytes } = messages
  if (!Number.isInteger(count) || count < 1 || count > MAX_MESSAGES) {
    throw new RangeError(`a call of ${count} messages: it must be a whole number from 1 to ${MAX_MESSAGES}`)
  }
  if (!Number.isInteger(bytes) || bytes < PREFIX_BYTES || bytes > MAX_MESSAGE_BYTES || bytes === NO_MESSAGE_BYTES) {
    throw new RangeError(
      `messages of ${bytes} bytes: it must be a whole number from ${PREFIX_BYTES} (the prefix alone) to ${MAX_MESSAGE_BYTES}, but not ${NO_MESSAGE_BYTES}`,
    )
  }
  return messages
}

function numberOf(block: readonly HeaderField[], name: string): number {
  const value = firstValue(block, name)
  if (value === undefined || !/^\d{1,9}$/.test(value)) throw new RangeError(`${name} must be a number, is ${value}`)
  return Number(value)
}

function allPaths(): string {
  return [...Object.keys(ECHOES), ...Object.keys(ANSWERS)].join(', ')
}
