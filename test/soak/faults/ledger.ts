/** All that the soak knows of its calls, and every complaint about them. */
import type { Call, Outcome } from './call.ts'
import { judge } from './judge.ts'

/** More complaints than this say nothing new. */
export const MOST_COMPLAINTS = 20

/** Which transports the proxy has on its sides. What `native` is known not to do is not asked of it. */
export interface Pair {
  readonly downstream: 'native' | 'frames'
  readonly upstream: 'native' | 'frames'
}

export class Ledger {
  readonly seed: number
  readonly pair: Pair
  /** Of this round; backends look them up by the id that the request carries. */
  readonly calls = new Map<number, Call>()
  readonly complaints: string[] = []
  complaintCount = 0
  started = 0
  ended = 0
  /** Bytes of messages, both ways, as received. */
  bytes = 0
  readonly outcomes = new Map<string, number>()
  readonly injected = new Map<string, number>()
  /** When sessions of an endpoint ended, by its port: what a call may have died of. */
  readonly #troubles = new Map<number, number[]>()
  /** When sessions of an endpoint said GOAWAY, by its port. */
  readonly #goaways = new Map<number, number[]>()

  constructor(seed: number, pair: Pair) {
    this.seed = seed
    this.pair = pair
  }

  /**
   * A side of the proxy is native. What that is known not to do is not asked of it: it loses the end of a response
   * that RST_STREAM(NO_ERROR) overtakes while its reader waits, and may keep a call whose request nobody reads.
   */
  get native(): boolean {
    return this.pair.downstream === 'native' || this.pair.upstream === 'native'
  }

  open(call: Call): void {
    this.started++
    this.calls.set(call.plan.id, call)
  }

  /** The client saw the end of it. */
  close(call: Call, outcome: Outcome): void {
    if (call.outcome !== undefined) return this.complain(`ended again, by ${JSON.stringify(outcome)}`, call)
    call.outcome = outcome
    call.endMs = performance.now()
    this.ended++
    this.bytes += call.upReceived + call.downReceived
    count(this.outcomes, nameOf(outcome))
    for (const mark of call.marks) count(this.injected, mark.kind)
    const wrong = judge(call, {
      died: port => duringAny(call, this.#troubles, port),
      saidGoaway: port => duringAny(call, this.#goaways, port),
      left: duringAny(call, this.#troubles, undefined) || duringAny(call, this.#goaways, undefined),
      nativeUpstream: this.pair.upstream === 'native',
    })
    if (wrong !== undefined) this.complain(wrong, call)
  }

  trouble(port: number, text: string): void {
    remember(this.#troubles, port)
    count(this.injected, text)
  }

  /** Whether a session of the endpoint ended since then, or just before. */
  troubledSince(port: number, sinceMs: number): boolean {
    return (this.#troubles.get(port) ?? []).some(atMs => atMs >= sinceMs - TROUBLE_LASTS_MS)
  }

  goaway(port: number): void {
    remember(this.#goaways, port)
  }

  complain(text: string, call?: Call): void {
    this.complaintCount++
    if (this.complaints.length >= MOST_COMPLAINTS) return
    this.complaints.push(
      `[seed ${this.seed}, ${this.pair.downstream}-${this.pair.upstream}] ${text}${call === undefined ? '' : `\n${call.describe()}`}`,
    )
  }

  /** After a round, when nothing of it is left. */
  forget(): void {
    this.calls.clear()
  }

  summary(): string {
    const list = (counts: Map<string, number>) =>
      [...counts]
        .sort((a, b) => b[1] - a[1])
        .map(([k, n]) => `${k} ${n}`)
        .join(', ')
    return `outcomes: ${list(this.outcomes)}\ninjected: ${list(this.injected)}`
  }
}

/** The proxy may learn of a session's end so much later: a busy machine. */
const TROUBLE_LASTS_MS = 1_000
const REMEMBERED_TIMES = 1_000

function remember(all: Map<number, number[]>, port: number): void {
  const times = all.get(port) ?? []
  all.set(port, times)
  times.push(performance.now())
  if (times.length > REMEMBERED_TIMES) times.shift()
}

/** A call that was sent just after a session died can die of it too. */
function during({ startMs, endMs }: Call, times: readonly number[] = []): boolean {
  return times.some(atMs => atMs >= startMs - TROUBLE_LASTS_MS && atMs <= endMs)
}

function duringAny(call: Call, timesByPort: ReadonlyMap<number, number[]>, port: number | undefined): boolean {
  if (port !== undefined) return during(call, timesByPort.get(port))
  return [...timesByPort.values()].some(times => during(call, times))
}

function nameOf(outcome: Outcome): string {
  if (outcome.kind === 'status') return outcome.own === undefined ? `status ${outcome.status}` : `proxy: ${outcome.own}`
  return outcome.kind === 'reset' ? `reset ${outcome.code}` : outcome.kind
}

export function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
