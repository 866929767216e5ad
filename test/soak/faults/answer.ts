/** What a faulty backend does with one call: as its plan says, and marked on it before it is done. */
import { Code } from '../../support/frames.ts'
import type { DecodedField, Field } from '../../support/hpack.ts'
import type { Call } from './call.ts'
import { asField, differ } from './client-call.ts'
import type { Ledger } from './ledger.ts'
import { Receipt } from './payload.ts'
import type { PeerStream, StreamOwner } from './peer-stream.ts'

/** They answer each message of a ping-pong. */
const CONVERSING: ReadonlySet<string> = new Set(['answer', 'stall', 'refuse', 'no-trailers', 'early'])

export class Answer implements StreamOwner {
  readonly call: Call
  readonly #stream: PeerStream
  readonly #ledger: Ledger
  readonly #receipt: Receipt
  readonly #onOver: (answer: Answer) => void
  #timer: NodeJS.Timeout | undefined
  #held = 0
  #responded = false
  #over = false

  constructor(call: Call, stream: PeerStream, ledger: Ledger, onOver: (answer: Answer) => void) {
    this.call = call
    this.#stream = stream
    this.#ledger = ledger
    this.#receipt = new Receipt(call.up)
    this.#onOver = onOver
  }

  /** The request's headers are here. */
  begin(fields: readonly DecodedField[], endStream: boolean): void {
    const { plan } = this.call
    const { treatment } = plan
    const metadata = fields.filter(field => field.name.startsWith('soak-') && field.name !== 'soak-call')
    const wrong = differ(metadata, plan.metadata.map(asField)) ?? this.#wrongTimeout(fields)
    if (wrong !== undefined) this.#ledger.complain(`request headers: ${wrong}`, this.call)
    if (endStream) this.#ledger.complain('a request without a message', this.call)
    switch (treatment.kind) {
      case 'early':
        if (!this.#ledger.native) this.#respondEarly()
        return
      case 'trailers-only':
        if (plan.shape === 'ping-pong' || (plan.id % 2 === 0 && !this.#ledger.native))
          this.#trailersOnly(treatment.status)
        return
      case 'refuse':
        if (this.call.marks.filter(mark => mark.kind === 'refused').length >= treatment.times) break
        this.call.mark('refused', this.#where)
        return this.#reset(Code.REFUSED_STREAM)
      case 'reset':
        return this.#failWith(treatment.code, treatment.when)
      case 'stall':
        this.call.mark('held', `no window for ${treatment.forMs} ms`)
        this.#stream.manual = true
        this.#later(treatment.forMs, () => this.#readOn())
    }
    if (plan.shape === 'duplex' && treatment.kind === 'answer') this.#respond()
  }

  get #where(): string {
    return this.call.visits.at(-1)?.session ?? ''
  }

  /** The proxy forwards what is left of the time, in whatever unit, and never more than came. */
  #wrongTimeout(fields: readonly DecodedField[]): string | undefined {
    const { deadlineMs } = this.call.plan
    const value = fields.find(field => field.name === 'grpc-timeout')?.value
    if (value === undefined) return deadlineMs === undefined ? undefined : 'grpc-timeout is missing'
    const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? []
    const ms = Number(digits) * { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }[unit as 'm']
    return deadlineMs !== undefined && ms <= deadlineMs ? undefined : `grpc-timeout ${value}, came as ${deadlineMs} ms`
  }

  #failWith(code: number, when: 'at-once' | 'after-headers' | 'half-way'): void {
    const mark = () =>
      this.call.mark('reset', `${code} ${when} by ${this.#where}`, { code, headers: when !== 'at-once' })
    if (when === 'at-once') {
      mark()
      return this.#reset(code)
    }
    this.#respondHeaders()
    if (when === 'half-way') this.#stream.write(this.call.down.start(Math.floor(this.call.down.length / 2)))
    this.#later(this.call.plan.id % 8, () => {
      mark()
      this.#reset(code)
    })
  }

  #respondHeaders(): void {
    this.#responded = true
    this.#stream.headers([
      [':status', '200'],
      ['content-type', 'application/grpc'],
      ['soak-call', String(this.call.plan.id), 'literal'],
      ...this.call.plan.metadata,
    ])
  }

  /** Everything but the end. */
  #respond(): void {
    this.#respondHeaders()
    this.#stream.write(this.call.down.pieces)
  }

  #trailers(resetAfter?: number): void {
    this.call.answered = 0
    const trailers: Field[] = [['grpc-status', '0'], ...this.call.plan.metadata]
    this.#stream.end(trailers, resetAfter)
  }

  #respondEarly(): void {
    this.#respond()
    this.#trailers(Code.NO_ERROR)
  }

  #trailersOnly(status: number): void {
    const { id } = this.call.plan
    this.call.answered = status
    const message: Field = ['grpc-message', `call ${id}`, 'literal']
    const fields: Field[] = [
      [':status', '200'],
      ['content-type', 'application/grpc'],
      ['soak-call', String(id), 'literal'],
    ]
    this.#stream.headers([...fields, ['grpc-status', String(status)], message], true)
    if (!this.#stream.remoteEnded) this.#stream.reset(Code.NO_ERROR)
    this.#finish()
  }

  onHeaders(): void {
    this.#ledger.complain('request trailers that nobody sent', this.call)
  }

  onData(bytes: Buffer, endStream: boolean): void {
    const before = this.#receipt.messages
    const wrong = this.#receipt.push(bytes)
    if (wrong !== undefined) this.#ledger.complain(`request, at ${this.#where}: ${wrong}`, this.call)
    this.call.upReceived = Math.max(this.call.upReceived, this.#receipt.received)
    if (this.#stream.manual) this.#held += bytes.length
    // Node's client ends a request before it resets it, unless `waitForTrailers`, which can abort Node itself
    // (Http2Stream::OnTrailers: Assertion failed: !this->is_destroyed()).
    const cutByNode = this.call.has('left') && this.call.client.includes('(node')
    if (endStream && !this.#receipt.whole && !cutByNode) {
      this.#ledger.complain(
        `the request ended after ${this.#receipt.received} of ${this.call.up.length} bytes`,
        this.call,
      )
    }
    const { shape, treatment } = this.call.plan
    if (shape === 'ping-pong' && CONVERSING.has(treatment.kind)) this.#pong(before)
    if (endStream) this.#requestEnded()
  }

  #pong(before: number): void {
    if (!this.#responded) this.#respondHeaders()
    for (let i = before; i < this.#receipt.messages; i++) this.#stream.write(this.call.down.message(i))
  }

  #requestEnded(): void {
    const { treatment } = this.call.plan
    switch (treatment.kind) {
      case 'silent':
      case 'reset':
        return
      case 'trailers-only':
        return this.#trailersOnly(treatment.status)
      case 'no-trailers':
        this.call.mark('no-trailers', this.#where)
        if (!this.#responded) this.#respond()
        return this.#stream.end()
      default: {
        const afterMs = treatment.kind === 'answer' ? treatment.afterMs : 0
        if (afterMs === 0) this.#answerWhole()
        else this.#later(afterMs, () => this.#answerWhole())
      }
    }
  }

  #answerWhole(): void {
    if (!this.#responded) this.#respond()
    this.#trailers()
  }

  #readOn(): void {
    this.#stream.manual = false
    this.#stream.release(this.#held)
    this.#held = 0
  }

  /** All timers of a stream that is gone are void. */
  #later(ms: number, fn: () => void): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (!this.#over) fn()
    }, ms)
  }

  #reset(code: number): void {
    this.#stream.reset(code)
    this.#finish()
  }

  onReset(code: number): void {
    if (code !== Code.CANCEL && code !== Code.NO_ERROR) {
      this.#ledger.complain(`the proxy reset it with ${code}, at ${this.#where}`, this.call)
    }
    this.#finish()
  }

  onLost(): void {
    this.#finish()
  }

  /** Not processed, or gone with its session. */
  drop(): void {
    this.#stream.peer.ignore(this.#stream)
  }

  onGone(): void {
    this.#finish()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.#onOver(this)
  }
}
