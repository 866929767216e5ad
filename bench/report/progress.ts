/**
 * A progress bar in a terminal, with an estimate of the time left. It shows nothing where the output is not a terminal.
 */
import { SingleBar } from 'cli-progress'

export interface ProgressOptions {
  /** The stream of the bar. Default: standard error. */
  readonly bar?: NodeJS.WriteStream
  /** Where `print` goes. Default: standard output. */
  readonly out?: { write(text: string): unknown }
  readonly nowMs?: () => number
}

const BAR_WIDTH = 24
/** The width of the whole line. A longer one would wrap, and its first line would stay. */
const LINE_WIDTH = 110

export class Progress {
  readonly #stream: NodeJS.WriteStream
  readonly #out: { write(text: string): unknown }
  readonly #nowMs: () => number
  #bar: SingleBar | undefined
  #total = 0
  #begun = 0
  #startMs = 0
  #text = ''

  constructor({ bar = process.stderr, out = process.stdout, nowMs = () => performance.now() }: ProgressOptions = {}) {
    this.#stream = bar
    this.#out = out
    this.#nowMs = nowMs
  }

  /** @param totalSteps steps of about the same length, for the estimate */
  begin(totalSteps: number): void {
    this.end()
    this.#total = totalSteps
    this.#begun = 0
    this.#startMs = this.#nowMs()
    this.#text = ''
    this.#show()
  }

  /** Call it before each step, with a text of what comes now. More or fewer steps than announced do no harm. */
  step(text: string): void {
    this.#begun++
    this.#text = text
    this.#bar?.update(this.#done)
  }

  /** Prints a text above the bar, with a line end. */
  print(text: string): void {
    const shown = this.#bar !== undefined
    this.end()
    this.#out.write(`${text}\n`)
    if (shown) this.#show()
  }

  /** Takes the bar away. It comes back with `begin`. */
  end(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }

  get #done(): number {
    return Math.min(this.#total, Math.max(0, this.#begun - 1))
  }

  #show(): void {
    if (this.#stream.isTTY !== true) return
    this.#bar = new SingleBar({
      stream: this.#stream,
      clearOnComplete: true,
      // The suite has its own way to end on a signal.
      gracefulExit: false,
      format: () => this.#line(),
    })
    this.#bar.start(this.#total, this.#done)
  }

  #line(): string {
    const share = this.#total === 0 ? 0 : this.#done / this.#total
    const full = Math.round(BAR_WIDTH * share)
    const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full)
    const head = `${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${this.#left(share)}  `
    return (head + this.#text).slice(0, Math.min(LINE_WIDTH, (this.#stream.columns ?? LINE_WIDTH) - 1))
  }

  /** The estimate assumes that a step takes as long as those before. */
  #left(share: number): string {
    if (share === 0) return '– left'
    return `${durationText(((this.#nowMs() - this.#startMs) / 1000) * (1 / share - 1))} left`
  }
}

/** `45 s`, `3 min 20 s`, `1 h 5 min`. */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
