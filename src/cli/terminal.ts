/** A terminal that shows one screen after the other, and is as it was before when that ends. */
import type { Look, Paint } from './overview-screen.ts'

const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const REST_OF_LINE = '\u001b[K'
const REST_OF_SCREEN = '\u001b[J'
/** ETX, which is Ctrl-C while the terminal hands keys on as they are; and EOT, which is Ctrl-D. */
const ENDING_KEYS = ['\u0003', '\u0004', 'q', 'Q']

const LOOKS: Readonly<Record<Look, readonly [on: string, off: string]>> = {
  title: ['\u001b[1m', '\u001b[22m'],
  soft: ['\u001b[2m', '\u001b[22m'],
  bad: ['\u001b[33m', '\u001b[39m'],
  good: ['\u001b[36m', '\u001b[39m'],
}

/** @param environment with `NO_COLOR`, which people set who want none (no-color.org) */
export function paintOf({ NO_COLOR }: NodeJS.ProcessEnv): Paint {
  if (NO_COLOR !== undefined && NO_COLOR !== '') return (_, text) => text
  return (look, text) => `${LOOKS[look][0]}${text}${LOOKS[look][1]}`
}

export class Terminal {
  readonly #output: NodeJS.WriteStream
  readonly #input: NodeJS.ReadStream
  #open = false

  constructor(output: NodeJS.WriteStream, input: NodeJS.ReadStream) {
    this.#output = output
    this.#input = input
  }

  /** @param onEnd somebody wants it to end. @param onResize it has another size */
  open(onEnd: () => void, onResize: () => void): void {
    this.#open = true
    // However the process ends.
    process.on('exit', () => this.close())
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onEnd)
    this.#output.on('resize', onResize)
    // The terminal is gone.
    this.#output.on('error', onEnd)
    this.#output.write(ENTER)
    if (!this.#input.isTTY) return
    this.#input.setRawMode(true)
    this.#input.on('data', keys => {
      if (ENDING_KEYS.includes(keys.toString())) onEnd()
    })
  }

  get size() {
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 }
  }

  /** Only what has been there is written over: a screen that is cleared first flickers. */
  show(lines: readonly string[]): void {
    // Who does not take the last one gets no more until it has.
    if (!this.#open || this.#output.writableNeedDrain) return
    this.#output.write(`${HOME}${lines.map(line => `${line}${REST_OF_LINE}`).join('\r\n')}${REST_OF_SCREEN}`)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    if (this.#input.isTTY) this.#input.setRawMode(false)
    this.#input.pause()
    this.#output.write(LEAVE)
  }
}
