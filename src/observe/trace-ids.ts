/**
 * Ids of traces and spans: random, and never only zeros. Most calls of which a trace could begin here are not kept, and need
 * no more than a text for `traceparent`; so these texts are made many at a time.
 */

/** Two digits for each octet. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))
const DIGITS = Uint8Array.from('0123456789abcdef', digit => digit.charCodeAt(0))
const NO_SPAN = '0000000000000000'

/** @param random at least 0 and less than 1 */
export function newSpanId(random: () => number): string {
  const id = eightDigits(random) + eightDigits(random)
  return id === NO_SPAN ? '0000000000000001' : id
}

function eightDigits(random: () => number): string {
  const bits = bitsOf(random)
  return HEX[bits >>> 24]! + HEX[(bits >>> 16) & 0xff]! + HEX[(bits >>> 8) & 0xff]! + HEX[bits & 0xff]!
}

function bitsOf(random: () => number): number {
  return (random() * 2 ** 32) >>> 0
}

/** `00-`, a trace id, a span id, and the flags of a trace that is random and not sampled. */
const TEMPLATE = `00-${'0'.repeat(32)}-${NO_SPAN}-02`
const LENGTH = TEMPLATE.length
/** Some 3.5 KiB. A text that somebody keeps keeps all of them. */
const AT_A_TIME = 64

/** A trace that begins here. */
export interface NewTrace {
  /** Where it is from 0 to 1, by which samplers choose. See `sampling.ts`. */
  readonly place: number
  /** For who keeps nothing of it: its ids, and "not sampled". */
  readonly traceparent: string
}

export class NewTraces {
  readonly #random: () => number
  readonly #octets = Buffer.from(TEMPLATE.repeat(AT_A_TIME), 'latin1')
  readonly #places = new Float64Array(AT_A_TIME)
  #texts = ''
  #next = AT_A_TIME

  constructor(random: () => number) {
    this.#random = random
  }

  next(): NewTrace {
    if (this.#next === AT_A_TIME) this.#fill()
    const i = this.#next++
    return { place: this.#places[i]!, traceparent: this.#texts.slice(i * LENGTH, (i + 1) * LENGTH) }
  }

  #fill(): void {
    const random = this.#random
    for (let i = 0; i < AT_A_TIME; i++) {
      const at = i * LENGTH
      this.#write(bitsOf(random), at + 3)
      this.#write(bitsOf(random), at + 11)
      const third = bitsOf(random)
      const fourth = bitsOf(random)
      this.#write(third, at + 19)
      this.#write(fourth === 0 ? 1 : fourth, at + 27)
      // The last seven octets of the trace id, without the very last.
      this.#places[i] = ((third & 0xffffff) * 2 ** 24 + (fourth >>> 8)) / 2 ** 48
      this.#write(bitsOf(random), at + 36)
      this.#write(bitsOf(random) || 1, at + 44)
    }
    this.#texts = this.#octets.toString('latin1')
    this.#next = 0
  }

  #write(bits: number, at: number): void {
    const octets = this.#octets
    for (let i = 7; i >= 0; i--) {
      octets[at + i] = DIGITS[bits & 0xf]!
      bits >>>= 4
    }
  }
}
