/** One call of the soak: its plan, what was done to it, how it ended. Client, backends and judge share the object. */
import { Body } from './payload.ts'
import type { Plan } from './plan.ts'

export type MarkKind =
  /** RST_STREAM of the backend, with its code; `headers`: after response headers. */
  | 'reset'
  | 'refused'
  /** Above the last-stream-id of a GOAWAY. */
  | 'unprocessed'
  /** The session that carried it was ended under it. */
  | 'session-ended'
  | 'no-trailers'
  /** Its bytes were held up: frozen, no window. Never a reason to fail. */
  | 'held'
  /** The client itself ended it: reset, or connection given up. */
  | 'left'

export interface Mark {
  readonly kind: MarkKind
  readonly atMs: number
  readonly text: string
  readonly code?: number
  readonly headers?: boolean
}

export type Outcome =
  /** Trailers came. `own`: the proxy's token, when the answer is its own. */
  | {
      readonly kind: 'status'
      readonly status: number
      readonly message: string
      readonly own: string | undefined
      readonly trailersOnly: boolean
    }
  | { readonly kind: 'reset'; readonly code: number; readonly headers: boolean }
  | { readonly kind: 'no-trailers' }
  /** The connection went, and not by us. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'left' }

export interface Visit {
  readonly port: number
  readonly session: string
  readonly atMs: number
}

export class Call {
  readonly plan: Plan
  readonly marks: Mark[] = []
  /** Where it came to, in order. */
  readonly visits: Visit[] = []
  /** The status that a backend sent, once it has. */
  answered: number | undefined
  #upReceived = 0
  #downReceived = 0
  /** When the last of its bytes came, at either end. */
  movedMs = 0
  startMs = 0
  endMs = 0
  outcome: Outcome | undefined
  client = ''
  #up: Body | undefined
  #down: Body | undefined

  constructor(plan: Plan) {
    this.plan = plan
  }

  /** Request bytes that came, of all. */
  get upReceived(): number {
    return this.#upReceived
  }

  set upReceived(bytes: number) {
    if (bytes > this.#upReceived) this.movedMs = performance.now()
    this.#upReceived = bytes
  }

  /** Response bytes that came, of all. */
  get downReceived(): number {
    return this.#downReceived
  }

  set downReceived(bytes: number) {
    if (bytes > this.#downReceived) this.movedMs = performance.now()
    this.#downReceived = bytes
  }

  get up(): Body {
    this.#up ??= new Body(this.plan.id, 'up', this.plan.up)
    return this.#up
  }

  get down(): Body {
    this.#down ??= new Body(this.plan.id, 'down', this.plan.down)
    return this.#down
  }

  mark(kind: MarkKind, text: string, more: Pick<Mark, 'code' | 'headers'> = {}): void {
    this.marks.push({ kind, text, atMs: performance.now(), ...more })
  }

  has(kind: MarkKind): boolean {
    return this.marks.some(mark => mark.kind === kind)
  }

  /** For a report: all that is known of it. */
  describe(): string {
    const { id, pool, shape, treatment, deadlineMs, cancelAfterMs, slowReader, up, down } = this.plan
    const since = (atMs: number) => `+${Math.round(atMs - this.startMs)} ms`
    return [
      `call ${id} (${pool}, ${shape}, from ${this.client})`,
      `  plan: ${JSON.stringify({ treatment, deadlineMs, cancelAfterMs, slowReader })}, up ${sum(up)}, down ${sum(down)} bytes`,
      `  came to: ${this.visits.map(v => `${v.session} ${since(v.atMs)}`).join(', ') || 'nowhere'}`,
      `  injected: ${this.marks.map(m => `${m.kind} (${m.text}) ${since(m.atMs)}`).join(', ') || 'nothing'}`,
      `  backend received ${this.upReceived} of ${this.up.length}, client ${this.downReceived} of ${this.down.length}; backend answered ${this.answered ?? 'nothing'}`,
      `  outcome: ${JSON.stringify(this.outcome)} ${since(this.endMs || performance.now())}`,
    ].join('\n')
  }
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a + b, 0)
}
