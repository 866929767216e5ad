/**
 * The request that every call sends: `--message` as bytes, with gRPC's prefix in front.
 *
 * `FILE` and `@FILE` hold a protobuf message as bytes; `hex:…` has them itself; `json:{…}` and `json:FILE` are protobuf
 * JSON, which needs --proto. (`@json:` and `@hex:` are the same as without the @; a file whose name begins like one of
 * these is `./hex:…`.)
 */
import { readFileSync } from 'node:fs'
import { reasonOf } from '../config/pem-source.ts'
import { PREFIX_BYTES } from '../grpc/message.ts'
import { MESSAGE_BYTES_MAX } from './bounds.ts'
import { sizeOf } from './given-file.ts'
import { encodeJson } from './json-message.ts'
import { UsageError } from './problem.ts'
import { type ProtoFiles, requestTypeOf } from './proto-method.ts'

/** JSON of a message is a few times as long as the message. */
const JSON_BYTES_MAX = 8 * MESSAGE_BYTES_MAX

/**
 * @param given as it was given; undefined: the empty message
 * @param path of the method, for its request type
 * @throws UsageError
 */
export function messageBytes(given: string | undefined, path: string, proto: ProtoFiles): Buffer {
  const source = given === undefined ? 'hex:' : given.replace(/^@/, '')
  const json = /^json:/.test(source)
  if (json && proto.files.length === 0) throw new UsageError('--message json:… needs --proto FILE, which has the types')
  if (!json && proto.files.length + proto.importPaths.length > 0) {
    throw new UsageError('--proto and --import-path are for --message json:…: leave them out')
  }
  const bytes = json ? jsonBytes(source.slice(5), path, proto) : rawBytes(source)
  if (bytes.length <= MESSAGE_BYTES_MAX) return bytes
  throw new UsageError(`--message has ${bytes.length} bytes: ${MESSAGE_BYTES_MAX} is the most that is sent`)
}

/** Whether it is part of the command itself and not in a file. */
export function isInline(given: string): boolean {
  return /^@?(hex:|json:\s*\{)/.test(given)
}

/** "Compressed-Flag (1 byte), Message-Length (4 bytes, big endian), Message" (PROTOCOL-HTTP2.md). */
export function framed(message: Buffer): Buffer {
  const frame = Buffer.alloc(PREFIX_BYTES + message.length)
  frame.writeUInt32BE(message.length, 1)
  message.copy(frame, PREFIX_BYTES)
  return frame
}

function rawBytes(source: string): Buffer {
  if (!source.startsWith('hex:')) return readBounded(source, MESSAGE_BYTES_MAX)
  const digits = source.slice(4).replace(/\s+/g, '')
  const odd = /[^0-9a-f]/i.exec(digits)
  if (odd !== null)
    throw new UsageError(`--message hex: has ${JSON.stringify(odd[0])}, which is not a hexadecimal digit`)
  if (digits.length % 2 === 1) {
    throw new UsageError(`--message hex: has ${digits.length} digits: each byte has two, 0a and not a`)
  }
  return Buffer.from(digits, 'hex')
}

function jsonBytes(source: string, path: string, proto: ProtoFiles): Buffer {
  const text = source.trimStart().startsWith('{') ? source : readBounded(source, JSON_BYTES_MAX).toString('utf8')
  return encodeJson(requestTypeOf(path, proto), text)
}

function readBounded(file: string, most: number): Buffer {
  if (file === '') throw new UsageError('--message is empty: give FILE, hex:… or json:…')
  try {
    const size = sizeOf('--message', file)
    if (size > most) throw new UsageError(`--message: ${file} has ${size} bytes: ${most} is the most`)
    return readFileSync(file)
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`--message: cannot read ${file}: ${reasonOf(error)} (hex:… and json:… are the other forms)`)
  }
}
