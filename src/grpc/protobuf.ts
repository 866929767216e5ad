/** Protobuf's encoding, for the few messages of services that the proxy itself asks. Clients' messages are never read. */
import { isUtf8 } from 'node:buffer'

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5
/** Ten groups of seven bits hold any number of 64 bits. */
const MAX_VARINT_BYTES = 10

/** proto3 does not send what is empty. */
export function textField(number: number, text: string): Buffer {
  return text === '' ? Buffer.alloc(0) : messageField(number, Buffer.from(text, 'utf8'))
}

export function numberField(number: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : Buffer.from([...varint(number * 8 + VARINT), ...varint(value)])
}

/** A message in a message; it is sent where it is empty too. */
export function messageField(number: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Buffer.from([...varint(number * 8 + BYTES), ...varint(length)]), ...parts])
}

/** `map<string, string>` */
export function mapField(number: number, entries: Iterable<readonly [string, string]>): Buffer {
  return Buffer.concat(
    Array.from(entries, ([key, value]) => messageField(number, textField(1, key), textField(2, value))),
  )
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push((value % 128) + 128)
  bytes.push(value)
  return bytes
}

/** The bytes are no protobuf message, or not of the kind that they should be. */
export class WrongMessage extends Error {
  override readonly name = 'WrongMessage'
}

/** The fields of a message, in the order in which they came. Of one that should be there once, the last one counts. */
export class Message {
  readonly #fields: { readonly number: number; readonly value: number | Buffer | undefined }[] = []

  /** @throws WrongMessage */
  constructor(bytes: Buffer) {
    const reader = new Reader(bytes)
    while (reader.left > 0) {
      const tag = reader.varint()
      const number = Math.floor(tag / 8)
      if (number === 0) throw new WrongMessage('it has a field 0')
      this.#fields.push({ number, value: reader.value(tag % 8) })
    }
  }

  /** Not below 0. What is missing is 0. */
  number(number: number): number {
    const last = this.#all(number).at(-1) ?? 0
    if (typeof last !== 'number') throw new WrongMessage(`field ${number} is no number`)
    return last
  }

  text(number: number): string {
    return this.texts(number).at(-1) ?? ''
  }

  texts(number: number): string[] {
    return this.#bytes(number).map(bytes => {
      if (!isUtf8(bytes)) throw new WrongMessage(`field ${number} is no UTF-8`)
      return bytes.toString('utf8')
    })
  }

  /** Bytes that need not be text; empty where there are none. */
  bytes(number: number): Buffer {
    return this.#bytes(number).at(-1) ?? Buffer.alloc(0)
  }

  /** Undefined where there is none. */
  message(number: number): Message | undefined {
    return this.messages(number).at(-1)
  }

  messages(number: number): Message[] {
    return this.#bytes(number).map(bytes => new Message(bytes))
  }

  #bytes(number: number): Buffer[] {
    const all = this.#all(number)
    if (all.some(value => !(value instanceof Buffer))) throw new WrongMessage(`field ${number} is a number`)
    return all as Buffer[]
  }

  #all(wanted: number): (number | Buffer | undefined)[] {
    return this.#fields.filter(({ number }) => number === wanted).map(({ value }) => value)
  }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** A number above 2^53 is not exact. */
  varint(): number {
    let value = 0
    for (let i = 0; i < MAX_VARINT_BYTES && this.left > 0; i++) {
      const byte = this.#bytes[this.#at++]!
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) return value
    }
    throw new WrongMessage('a number is not whole')
  }

  /** Undefined for kinds that nobody here reads. Groups are long out of use. */
  value(wireType: number): number | Buffer | undefined {
    if (wireType === VARINT) return this.varint()
    if (wireType === BYTES) return this.#take(this.varint())
    if (wireType !== FIXED64 && wireType !== FIXED32) throw new WrongMessage(`wire type ${wireType}`)
    this.#take(wireType === FIXED64 ? 8 : 4)
    return undefined
  }

  #take(length: number): Buffer {
    if (length > this.left) throw new WrongMessage('it is not whole')
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }
}
