/**
 * An honest client beside the attacks: small calls on one connection, at their times whether the last was answered or
 * not; a long stream of questions and answers; and now and then a new connection with one call. Each byte that comes
 * back is compared, each call has to end with status 0, and the times are kept.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { Peer, type PeerOwner } from '../../soak/faults/peer.ts'
import { Echo, question } from './echo.ts'

/** What became of the victim's calls. */
export interface Harm {
  /** Calls, and answers of the stream, that came back whole. */
  readonly calls: number
  /** What was wrong with each that did not. */
  readonly lost: readonly string[]
  /** Of the calls, from when each was meant to begin. */
  readonly latenciesMs: readonly number[]
  /** Of the calls on connections of their own, from the dial. */
  readonly newcomersMs: readonly number[]
}

export interface Rates {
  readonly callsASecond: number
  /** Between two connections with one call each. */
  readonly newcomerEveryMs: number
  /** With so many calls open none is begun: on a machine that is too slow for its rate a client waits. */
  readonly mostOpen: number
}

const USUAL: Rates = { callsASecond: 100, newcomerEveryMs: 200, mostOpen: Number.POSITIVE_INFINITY }
/** Between an answer on the stream and the next question. */
const THINK_MS = 10
/** A call without an answer for so long is lost. */
const PATIENCE_MS = 60_000
const WINDOW = 1_048_576
const LOOK_MS = 5

function nothingYet() {
  return { calls: 0, lost: [] as string[], latenciesMs: [] as number[], newcomersMs: [] as number[] }
}

export class Victim implements PeerOwner {
  readonly #port: number
  readonly #rates: Rates
  readonly #timers: NodeJS.Timeout[] = []
  readonly #open = new Set<Echo>()
  #peer: Peer | undefined
  #stream: Echo | undefined
  #pause: NodeJS.Timeout | undefined
  #questions = 0
  #harm = nothingYet()
  #ending = false

  private constructor(port: number, rates: Rates) {
    this.#port = port
    this.#rates = rates
  }

  /** Connected; the stream is open and has its first answer; calls begin. @throws when that fails */
  static async begin(port: number, rates: Partial<Rates> = {}): Promise<Victim> {
    const victim = new Victim(port, { ...USUAL, ...rates })
    const peer = await victim.#connect()
    victim.#peer = peer
    await new Promise<void>((resolve, reject) => {
      const stream = new Echo(peer, {
        onAnswer: () => {
          victim.#harm.calls++
          victim.#askSoon()
          resolve()
        },
        onEnd: problem => {
          victim.#stream = undefined
          if (problem === undefined) return
          victim.#harm.lost.push(`the stream: ${problem}`)
          reject(new Error(problem))
        },
      })
      victim.#stream = stream
      stream.ask(question(0))
    })
    victim.#startCalls(peer)
    return victim
  }

  /** Since the last time that this was asked. What is open counts when it ends. */
  harm(): Harm {
    const harm = this.#harm
    this.#harm = nothingYet()
    return harm
  }

  /** Calls that came back whole, without the answers of its stream, which goes on whatever new calls get. */
  get newCalls(): number {
    return this.#harm.latenciesMs.length
  }

  /** Since then, without asking. */
  get calls(): number {
    return this.#harm.calls
  }

  get losses(): number {
    return this.#harm.lost.length
  }

  /** No more calls; waits for those that are open, and ends the stream as it should. */
  async end(): Promise<void> {
    this.#ending = true
    for (const timer of this.#timers) clearInterval(timer)
    clearTimeout(this.#pause)
    this.#stream?.end()
    const giveUpMs = performance.now() + PATIENCE_MS
    while (this.#open.size > 0 || this.#stream !== undefined) {
      if (performance.now() > giveUpMs) for (const call of [...this.#open]) call.giveUp('no answer')
      if (performance.now() > giveUpMs) this.#stream?.giveUp('no answer')
      await new Promise(resolve => setTimeout(resolve, LOOK_MS))
    }
    this.#peer!.socket.destroy()
  }

  async #connect(): Promise<Peer> {
    const socket = connect({ port: this.#port, host: '127.0.0.1' })
    await once(socket, 'connect')
    const peer = new Peer(socket, 'client', {}, this)
    peer.raiseWindow(WINDOW)
    return peer
  }

  #askSoon(): void {
    if (this.#ending) return
    this.#pause = setTimeout(() => this.#stream?.ask(question(++this.#questions)), THINK_MS)
  }

  #startCalls(peer: Peer): void {
    const { callsASecond, newcomerEveryMs } = this.#rates
    const everyMs = 1_000 / callsASecond
    let nextMs = performance.now() + everyMs
    const due = (): void => {
      for (; nextMs <= performance.now(); nextMs += everyMs) {
        const meantMs = nextMs
        if (this.#open.size >= this.#rates.mostOpen) continue
        this.#call(peer, () => this.#harm.latenciesMs.push(performance.now() - meantMs))
      }
    }
    this.#timers.push(setInterval(due, everyMs))
    const meet = () => this.#open.size < this.#rates.mostOpen && void this.#newcomer()
    this.#timers.push(setInterval(meet, newcomerEveryMs))
  }

  #call(peer: Peer, onWhole: () => void, onOver?: () => void): void {
    if (!peer.open || peer.streams.size >= peer.theirMaxStreams) {
      this.#harm.lost.push(peer.open ? 'too many calls are open already' : 'the connection is gone')
      onOver?.()
      return
    }
    const echo = new Echo(peer, {
      onAnswer() {},
      onEnd: problem => {
        this.#open.delete(echo)
        if (problem === undefined) {
          this.#harm.calls++
          onWhole()
        } else this.#harm.lost.push(problem)
        onOver?.()
      },
    })
    this.#open.add(echo)
    echo.ask(question(++this.#questions))
    echo.end()
  }

  async #newcomer(): Promise<void> {
    const dialledMs = performance.now()
    let peer: Peer
    try {
      peer = await this.#connect()
    } catch (error) {
      this.#harm.lost.push(`a new connection: ${(error as Error).message}`)
      return
    }
    this.#call(
      peer,
      () => this.#harm.newcomersMs.push(performance.now() - dialledMs),
      () => peer.socket.destroy(),
    )
  }

  // What a connection tells

  onStream(): undefined {
    return undefined
  }

  onGoaway(_lastStreamId: number, code: number): void {
    this.#harm.lost.push(`GOAWAY ${code}`)
  }

  onClosed(): void {}

  complain(text: string): void {
    this.#harm.lost.push(`the proxy broke a rule: ${text}`)
  }
}
