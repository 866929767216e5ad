/** How a trace goes from one program to the next in header fields: what a request brings, and what it gets. */
import { type B3, readB3, readB3Fields } from '../grpc/b3.ts'
import type { Field, Replacement } from '../grpc/metadata.ts'
import {
  RANDOM,
  readTraceparent,
  readTracestate,
  SAMPLED,
  spanIdOf,
  type TraceContext,
  traceIdOf,
  traceparentOf,
} from '../grpc/trace-context.ts'
import type { HeaderBlock } from '../transport/transport.ts'
import { fieldOf, fieldOnce, nameOf } from '../wire/hpack/interning.ts'

/** `w3c`: W3C Trace Context; `b3`: B3 in one header; `b3multi`: B3 in several. */
export type TraceFormat = 'w3c' | 'b3' | 'b3multi'

/** What a request brings. */
export interface Incoming {
  /** Undefined: nothing came, or nothing that can be used. */
  readonly context: TraceContext | undefined
  /** Whether the sender keeps the trace. Undefined: it did not say. */
  readonly sampled: boolean | undefined
  /** Whether there was a field of these, of whatever kind. */
  readonly came: boolean
  /** All that came keeps to the rules, and may go on as it is. */
  readonly sound: boolean
}

const TRACEPARENT = nameOf('traceparent')

const NOTHING: Incoming = { context: undefined, sampled: undefined, came: false, sound: false }
const NOTHING_OF_USE: Incoming = { ...NOTHING, came: true }

const NAMES: Readonly<Record<TraceFormat, readonly string[]>> = {
  w3c: ['traceparent', 'tracestate'],
  b3: ['b3'],
  b3multi: ['x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-flags'],
}

export class Propagation {
  readonly #formats: readonly TraceFormat[]
  readonly #names: ReadonlySet<string>
  readonly #onlyW3c: boolean

  /** @param formats what is read, the first that a request has; all of them are written */
  constructor(formats: readonly TraceFormat[]) {
    // One that is named twice is written once.
    this.#formats = [...new Set(formats)]
    this.#names = new Set(formats.flatMap(format => NAMES[format]))
    this.#onlyW3c = formats.every(format => format === 'w3c')
  }

  read(block: HeaderBlock): Incoming {
    if (this.#onlyW3c) return readW3c(block)
    for (const format of this.#formats) {
      const read = format === 'w3c' ? readW3c(block) : incomingOf(readAnyB3(block, format))
      // What came in one format must be told in the others, too.
      if (read.context !== undefined || read.sampled !== undefined) return { ...read, came: true, sound: false }
    }
    return block.some(({ name }) => this.#names.has(name)) ? NOTHING_OF_USE : NOTHING
  }

  /** The same of a trace that begins here and is not sampled, by its `traceparent`. */
  begin(traceparent: string, came: boolean): Replacement {
    if (!this.#onlyW3c) return this.write(traceIdOf(traceparent), spanIdOf(traceparent), RANDOM, '', came)
    return { names: this.#names, replaces: came, fields: [fieldOnce(TRACEPARENT, traceparent)] }
  }

  /** @returns what goes on in place of all that came, if something came */
  write(traceId: string, spanId: string, flags: number, state: string, came: boolean): Replacement {
    const fields: Field[] = []
    for (const format of this.#formats) {
      const sampled = (flags & SAMPLED) === 0 ? '0' : '1'
      if (format === 'w3c') {
        fields.push(fieldOnce(TRACEPARENT, traceparentOf(traceId, spanId, flags)))
        if (state !== '') fields.push(fieldOf('tracestate', state))
      } else if (format === 'b3') {
        fields.push(fieldOf('b3', `${traceId}-${spanId}-${sampled}`))
      } else {
        fields.push(fieldOf('x-b3-traceid', traceId), fieldOf('x-b3-spanid', spanId), fieldOf('x-b3-sampled', sampled))
      }
    }
    return { names: this.#names, replaces: came, fields }
  }
}

function readW3c(block: HeaderBlock): Incoming {
  let parent: string | undefined
  let parents = 0
  let state: string | undefined
  let states: string[] | undefined
  for (let i = 0; i < block.length; i++) {
    const { name, value } = block[i]!
    if (name === 'traceparent') {
      parent = value
      parents++
    } else if (name === 'tracestate') {
      if (state === undefined) state = value
      else {
        states ??= [state]
        states.push(value)
      }
    }
  }
  if (parent === undefined && state === undefined) return NOTHING
  // Of two nobody knows which is meant.
  const read = parent === undefined || parents > 1 ? undefined : readTraceparent(parent)
  if (read === undefined) return NOTHING_OF_USE
  const { traceId, spanId, flags } = read
  const sampled = (flags & SAMPLED) !== 0
  if (state === undefined) return { context: { traceId, spanId, flags, state: '' }, sampled, came: true, sound: true }
  const members = readTracestate(states ?? [state])
  return { context: { traceId, spanId, flags, state: members }, sampled, came: true, sound: members === state }
}

function incomingOf(b3: B3 | undefined): Incoming {
  return b3 === undefined ? NOTHING : { context: b3.context, sampled: b3.sampled, came: true, sound: false }
}

function readAnyB3(block: HeaderBlock, format: TraceFormat): B3 | undefined {
  if (format === 'b3') {
    const text = onlyValue(block, 'b3')
    return text === undefined ? undefined : readB3(text)
  }
  return readB3Fields({
    traceId: onlyValue(block, 'x-b3-traceid'),
    spanId: onlyValue(block, 'x-b3-spanid'),
    sampled: onlyValue(block, 'x-b3-sampled'),
    flags: onlyValue(block, 'x-b3-flags'),
  })
}

function onlyValue(block: HeaderBlock, name: string): string | undefined {
  let value: string | undefined
  for (const field of block) {
    if (field.name !== name) continue
    // No format allows a list, so two have no meaning.
    if (value !== undefined) return undefined
    value = field.value
  }
  return value
}
