/** A call as its client lives it: sends, reads in its own pace, gives up when it is planned to, and tells the one end. */
import { Code } from '../../support/frames.ts'
import type { DecodedField, Field } from '../../support/hpack.ts'
import type { Call, Outcome } from './call.ts'
import type { Ledger } from './ledger.ts'
import { Receipt } from './payload.ts'
import type { StreamOwner } from './peer-stream.ts'
import { LONG_DEADLINE_MS } from './plan.ts'

/** A call with a deadline ends so long after it at the latest … */
export const DEADLINE_GRACE_MS = 5_000
/** … and one without by then: more than all that can be injected into one call. */
export const LONGEST_CALL_MS = LONG_DEADLINE_MS + DEADLINE_GRACE_MS

/** What carries it: a stream of a `Peer`, or of `node:http2`. */
export interface Carrier {
  write(pieces: readonly Buffer[]): void
  end(): void
  reset(code: number): void
  release(bytes: number): void
  /** Received bytes are given back by `release` alone. */
  manual: boolean
  readonly localEnded: boolean
}

export type Open = (owner: StreamOwner, fields: readonly Field[]) => Carrier

export class ClientCall implements StreamOwner {
  /** Resolves when the client has seen its end and its stream is gone; never rejects. */
  readonly done: Promise<void>
  readonly #call: Call
  readonly #ledger: Ledger
  readonly #receipt: Receipt
  #carrier: Carrier | undefined
  #headers = false
  #sent = 0
  #unread = 0
  #timers: NodeJS.Timeout[] = []
  #reading: NodeJS.Timeout | undefined
  #onDone: () => void = () => {}

  constructor(call: Call, ledger: Ledger) {
    this.#call = call
    this.#ledger = ledger
    this.#receipt = new Receipt(call.down)
    this.done = new Promise(resolve => {
      this.#onDone = resolve
    })
  }

  start(open: Open): void {
    const call = this.#call
    const { plan } = call
    call.startMs = performance.now()
    this.#ledger.open(call)
    const longestMs = plan.deadlineMs === undefined ? LONGEST_CALL_MS : plan.deadlineMs + DEADLINE_GRACE_MS
    this.#timers.push(setTimeout(() => this.#overdue(longestMs), longestMs))
    if (plan.cancelAfterMs !== undefined) {
      this.#timers.push(setTimeout(() => this.leave('cancelled', Code.CANCEL), plan.cancelAfterMs))
    }
    const carrier = open(this, requestFields(call))
    this.#carrier = carrier
    if (plan.slowReader !== undefined) {
      carrier.manual = true
      this.#reading = setInterval(() => this.#read(plan.slowReader!.bytes), plan.slowReader.everyMs)
    }
    if (plan.shape === 'ping-pong') return this.#sendNext()
    carrier.write(call.up.pieces)
    carrier.end()
  }

  #sendNext(): void {
    const { up } = this.#call
    this.#carrier!.write(up.message(this.#sent++))
    if (this.#sent === up.ends.length) this.#carrier!.end()
  }

  #read(most: number): void {
    const bytes = Math.min(most, this.#unread)
    this.#unread -= bytes
    if (bytes > 0) this.#carrier?.release(bytes)
  }

  onHeaders(fields: readonly DecodedField[], endStream: boolean): void {
    const value = (name: string) => fields.find(field => field.name === name)?.value
    if (!this.#headers) {
      const own = value('x-grpc-verbatim-error') !== undefined
      if (value(':status') !== '200') this.#complain(`:status ${value(':status')}`)
      if (!own && value('soak-call') !== String(this.#call.plan.id)) {
        this.#complain(`the headers of call ${value('soak-call')} came`)
      }
      this.#headers = true
      if (!endStream) return this.#checkMetadata(fields, 'headers')
      return this.#ended(value, true)
    }
    // The proxy's own trailers, where the backend's did not come, have nothing of the backend's.
    if (value('x-grpc-verbatim-error') === undefined) this.#checkMetadata(fields, 'trailers')
    this.#ended(value, false)
  }

  #ended(value: (name: string) => string | undefined, trailersOnly: boolean): void {
    const message = decodeURIComponent(value('grpc-message') ?? '')
    const status = Number(value('grpc-status'))
    this.#finish({ kind: 'status', status, message, own: value('x-grpc-verbatim-error'), trailersOnly })
  }

  /** The backend sends the request's metadata back. */
  #checkMetadata(fields: readonly DecodedField[], where: string): void {
    const came = fields.filter(field => field.name.startsWith('soak-') && field.name !== 'soak-call')
    const { metadata } = this.#call.plan
    // Native hands trailers on by name: fields of one name together.
    const anyOrder = where === 'trailers' && this.#ledger.native
    const wrong = anyOrder ? differ(grouped(came), grouped(metadata.map(asField))) : differ(came, metadata.map(asField))
    if (wrong !== undefined) this.#complain(`metadata in ${where}: ${wrong}`)
  }

  onData(bytes: Buffer, endStream: boolean): void {
    if (this.#call.outcome !== undefined) return
    this.#unread += bytes.length
    const before = this.#receipt.messages
    const wrong = this.#receipt.push(bytes)
    if (wrong !== undefined) this.#complain(`response: ${wrong}`)
    this.#call.downReceived = this.#receipt.received
    if (endStream) return this.#finish({ kind: 'no-trailers' })
    if (this.#call.plan.shape !== 'ping-pong') return
    for (let i = before; i < this.#receipt.messages && this.#sent < this.#call.up.ends.length; i++) this.#sendNext()
  }

  onReset(code: number): void {
    // RFC 9113 §8.1: after a complete response the rest of the request may be refused, without error.
    if (this.#call.outcome === undefined) this.#finish({ kind: 'reset', code, headers: this.#headers })
    else if (code !== Code.NO_ERROR) this.#complain(`RST_STREAM ${code} after its end`)
    this.#over()
  }

  onLost(): void {
    if (this.#call.outcome === undefined) this.#finish({ kind: this.#call.has('left') ? 'left' : 'lost' })
    this.#over()
  }

  /** The client gives it up. @param code RST_STREAM; without one the connection goes too */
  leave(why: string, code?: number): void {
    if (this.#call.outcome !== undefined) return
    this.#call.mark('left', why)
    if (code !== undefined) this.#carrier?.reset(code)
    this.#finish({ kind: 'left' })
    this.#over()
  }

  #overdue(longestMs: number): void {
    if (this.#call.outcome === undefined) this.#complain(`no end within ${longestMs} ms`)
    else this.#complain(`its stream is still open after ${longestMs} ms`)
    this.#carrier?.reset(Code.CANCEL)
    this.#call.mark('left', 'overdue')
    if (this.#call.outcome === undefined) this.#finish({ kind: 'left' })
    this.#over()
  }

  #finish(outcome: Outcome): void {
    this.#ledger.close(this.#call, outcome)
    clearInterval(this.#reading)
    if (outcome.kind !== 'status' && outcome.kind !== 'no-trailers') return
    if (this.#carrier!.localEnded) return
    // A request that is not through: let it go on, or end it.
    if (this.#ledger.native) this.#carrier!.reset(Code.CANCEL)
    else if (this.#call.plan.id % 2 === 0) this.#carrier!.reset(Code.NO_ERROR)
  }

  /** With the end of the request, or by the RST_STREAM that the proxy sends instead of reading on. */
  onGone(): void {
    if (this.#call.outcome !== undefined) this.#over()
  }

  #over(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    clearInterval(this.#reading)
    this.#onDone()
  }

  #complain(text: string): void {
    this.#ledger.complain(text, this.#call)
  }
}

function requestFields({ plan }: Call): Field[] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', `/soak.${plan.pool}/${plan.shape}`],
    [':authority', 'soak.test'],
    ['te', 'trailers'],
    ['content-type', 'application/grpc'],
    ['soak-call', String(plan.id), 'literal'],
    ...(plan.deadlineMs === undefined ? [] : [['grpc-timeout', `${plan.deadlineMs}m`, 'literal'] as const]),
    ...plan.metadata,
  ]
}

interface NameAndValue {
  readonly name: string
  readonly value: string
}

export function asField([name, value]: readonly [string, string]): NameAndValue {
  return { name, value }
}

/** Fields of one name together, in their order. */
function grouped(fields: readonly NameAndValue[]): NameAndValue[] {
  return fields.toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)))
}

/** Names, values, order and duplicates. */
export function differ(came: readonly NameAndValue[], wanted: readonly NameAndValue[]): string | undefined {
  if (came.length !== wanted.length) return `${came.length} fields instead of ${wanted.length}`
  const at = came.findIndex(({ name, value }, i) => name !== wanted[i]!.name || value !== wanted[i]!.value)
  if (at < 0) return undefined
  return `field ${at} is ${came[at]!.name}: ${came[at]!.value}, not ${wanted[at]!.name}: ${wanted[at]!.value}`
}
