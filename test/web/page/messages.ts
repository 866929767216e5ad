/** Messages of the test service by @bufbuild/protobuf, in Node and in a page; the descriptors come from protobufjs. */
import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  toBinary,
} from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'

/** A message whose type is known at run time only. */
// biome-ignore lint/suspicious/noExplicitAny: the test compares what is in it
export type AnyMessage = Message & Record<string, any>

export function serviceOf(descriptors: Uint8Array, name: string): DescService {
  const service = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors)).getService(name)
  if (service === undefined) throw new Error(`no service ${name}`)
  return service
}

export function methodOf(service: DescService, name: string): DescMethod {
  const method = service.methods.find(one => one.name === name)
  if (method === undefined) throw new Error(`no method ${name}`)
  return method
}

export function make(type: DescMessage, fields: object): AnyMessage {
  return create(type, fields as never) as AnyMessage
}

export function encode(type: DescMessage, message: AnyMessage): Uint8Array {
  return toBinary(type, message)
}

export function decode(type: DescMessage, bytes: Uint8Array): AnyMessage {
  return fromBinary(type, bytes) as AnyMessage
}

/** What a client made of all calls, as plain data. */
export interface Report {
  readonly unary: { value: string; server: string | null; trailer: string | null }
  readonly error: { code: number; message: string; details: string | null; trailer: string | null }
  readonly stream: { counters: number[]; trailer: string | null; server: string | null } | null
  readonly brokenStream: { counters: number[]; code: number; message: string } | null
  /** How the server saw the end of a stream that the client left after two replies. */
  readonly cancelled: number | null
  readonly deadline: number
  readonly large: { sent: number; got: number }
}

/** What it has to be. */
export const EXPECTED: Report = {
  unary: { value: 'hällo', server: 'a', trailer: 'at the end' },
  error: { code: 5, message: 'nö such: 100%', details: '\0\x01\xff', trailer: 'at the end' },
  stream: { counters: [0, 1, 2, 3, 4], trailer: '5', server: 'a' },
  brokenStream: { counters: [0, 1], code: 9, message: 'no more' },
  cancelled: 2,
  deadline: 4,
  large: { sent: 300_000, got: 2_000_000 },
}
const VALUE = [0, 1, 255]
const text = (words: string): number[] => [...new TextEncoder().encode(words)]
/** A field of bytes. */
const bytes = (number: number, content: number[]): number[] => [(number << 3) | 2, content.length, ...content]
/** A google.rpc.Status of code 5 with one detail, whose value is the last three bytes. */
export const DETAILS = new Uint8Array([
  ...[8, 5],
  ...bytes(2, text(EXPECTED.error.message)),
  ...bytes(3, [...bytes(1, text('type.test/pkg.Detail')), ...bytes(2, VALUE)]),
])
export const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
