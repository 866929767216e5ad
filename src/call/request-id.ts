/**
 * Ids of requests: by one of them the records of a call are found in the logs of all programs that it goes through. They are
 * random and cannot be guessed, so that nobody can claim a call of somebody else's. What a client sends is not believed,
 * unless the proxy is told to: then it is taken where it is one short text, as it goes into logs and to backends.
 */
import type { Field } from '../grpc/metadata.ts'
import { nodeCrypto } from '../transport/node-tls.ts'
import type { HeaderBlock } from '../transport/transport.ts'
import type { HeaderName } from '../wire/hpack/header-field.ts'
import { fieldOnce, nameOf } from '../wire/hpack/interning.ts'

export interface RequestIdRules {
  readonly header: string
  /** What a client sends is taken where it can be. */
  readonly trust: boolean
  /** The client is told, in the headers of the response. */
  readonly respond: boolean
}

/** The id of a call, the same for each of its attempts. */
export interface RequestId {
  /** As it goes on. */
  readonly field: Field
  /** The client has sent fields of this name, in whose place it comes. */
  readonly replaces: boolean
  /** It is the client's own, which goes on where it stands. */
  readonly taken: boolean
  readonly responds: boolean
}

/** An id in use has 36 characters; some join two of them. No spaces, and no comma: a list is not one id. */
const TAKEN = /^[!-+\--~]{1,128}$/

export class RequestIds {
  readonly #name: HeaderName
  /** Version 4 (RFC 9562 §5.4). Node asks the system for the randomness of 128 of them at a time. */
  readonly #newId: () => string
  readonly #trust: boolean
  readonly #respond: boolean

  constructor({ header, trust, respond }: RequestIdRules) {
    this.#name = nameOf(header)
    this.#newId = nodeCrypto().randomUUID
    this.#trust = trust
    this.#respond = respond
  }

  of(block: HeaderBlock): RequestId {
    const name = this.#name.text
    let sent: Field | undefined
    let count = 0
    for (let i = 0; i < block.length; i++) {
      if (block[i]!.name !== name) continue
      sent = block[i]!
      count++
    }
    // Of two nobody knows which is meant.
    if (this.#trust && count === 1 && TAKEN.test(sent!.value)) {
      return { field: sent!, replaces: false, taken: true, responds: this.#respond }
    }
    return { field: fieldOnce(this.#name, this.#newId()), replaces: count > 0, taken: false, responds: this.#respond }
  }
}

/**
 * @param added what else the proxy adds to the request
 * @returns what is added for the id; undefined: the client's own field stays where it is, as nothing else has its name
 */
export function fieldOf({ field, taken }: RequestId, added: readonly Field[]): Field | undefined {
  return taken && !added.some(({ name }) => name === field.name) ? undefined : field
}

/** The headers of a response with the id, in place of what a backend has under its name. */
export function withId(block: HeaderBlock, { field }: RequestId): HeaderBlock {
  const named: Field[] = []
  for (let i = 0; i < block.length; i++) if (block[i]!.name !== field.name) named.push(block[i]!)
  named.push(field)
  return named
}
