/**
 * One way to the service: its connections, and the calls that are open or wait for one of them. Lost connections are
 * replaced while calls run or are due: servers and proxies end connections after a number of calls or some time, by
 * GOAWAY.
 */
import { Status } from '../grpc/status.ts'
import { Call, type CallOwner, type Carrier, plainText } from './call.ts'
import { connectFailure } from './connect-failure.ts'
import type { WayPlan } from './plan.ts'
import { BenchFailure } from './problem.ts'
import { LoadSession } from './session.ts'

export interface WayOptions {
  readonly plan: WayPlan
  /** With gRPC's prefix. */
  readonly message: Buffer
  readonly connections: number
  readonly timeoutMs: number
}

/** How often deadlines are checked. */
const SWEEP_MS = 20

/** The wait between a failed try to connect and the next. */
const RECONNECT_MS = 100

/**
 * The place of one connection. `answered` counts for the session in it: one that answered nothing is not replaced at
 * once.
 */
interface Slot extends Carrier {
  session: LoadSession | undefined
  opening: boolean
  /** There is no new try before this time of `performance.now()`. */
  againMs: number
}

export class Way implements CallOwner {
  readonly plan: WayPlan
  /**
   * Whether a lost connection is replaced also while no call is open, because calls begin at their times in any case.
   */
  kept = false
  readonly #options: WayOptions
  readonly #slots: Slot[]
  /** All sessions, also those after a GOAWAY, which are in no slot any more. */
  readonly #sessions = new Set<LoadSession>()
  /** The calls in the order in which they began, which is the order of their deadlines. */
  readonly #calls = new Map<Call, (call: Call) => void>()
  readonly #waiting = new Set<Call>()
  #next = 0
  #lostReason = ''
  #closed = false
  readonly #sweeper: NodeJS.Timeout

  constructor(options: WayOptions) {
    this.plan = options.plan
    this.#options = options
    this.#slots = Array.from({ length: options.connections }, () => ({
      session: undefined,
      opening: false,
      answered: 0,
      againMs: 0,
    }))
    this.#sweeper = setInterval(() => this.#expire(), SWEEP_MS)
  }

  /** Connects the places that are not connected. @throws BenchFailure that says why it cannot */
  async open(): Promise<void> {
    const missing = this.#slots.filter(({ session, opening }) => session === undefined && !opening)
    await Promise.all(missing.map(slot => this.#fill(slot)))
  }

  /** Calls that began and have not ended. */
  get openCalls(): number {
    return this.#calls.size
  }

  /** Whether there is no connection and none is coming, so that every call would fail. */
  get down(): boolean {
    return this.#slots.every(({ session, opening }) => session === undefined && !opening)
  }

  /** Why the last lost connection was lost. */
  get lostReason(): string {
    return this.#lostReason
  }

  /** `onEnd` follows, in a later turn. */
  begin(intendedMs: number, onEnd: (call: Call) => void): void {
    const call = new Call(this, intendedMs, performance.now())
    this.#calls.set(call, onEnd)
    this.#place(call)
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#sweeper)
    this.#calls.clear()
    this.#waiting.clear()
    for (const session of this.#sessions) session.close()
  }

  ended(call: Call): void {
    const onEnd = this.#calls.get(call)
    this.#calls.delete(call)
    this.#waiting.delete(call)
    onEnd?.(call)
  }

  again(call: Call): boolean {
    if (call.retried || this.#closed) return false
    call.retried = true
    call.stream = undefined
    // This waits for a later turn, because the connection is just being lost.
    setImmediate(() => {
      if (this.#calls.has(call)) this.#place(call)
    })
    return true
  }

  #place(call: Call): void {
    for (let i = 0; i < this.#slots.length; i++) {
      const slot = this.#slots[this.#next++ % this.#slots.length]!
      if (slot.session !== undefined && slot.session.free > 0) return this.#send(call, slot, slot.session)
    }
    if (this.kept) this.#reconnect()
    if (!this.down) this.#waiting.add(call)
    else setImmediate(() => call.fail(Status.UNAVAILABLE, `no connection: ${this.#lostReason}`))
  }

  #send(call: Call, slot: Slot, session: LoadSession): void {
    this.#waiting.delete(call)
    call.carrier = slot
    const { message, plan } = this.#options
    const stream = session.call(call)
    call.stream = stream
    try {
      stream.sendHeaders(plan.block, false)
      stream.sendData(message, 0, message.length, true)
    } catch (error) {
      // The block is larger than the peer's MAX_HEADER_LIST_SIZE.
      call.fail(Status.RESOURCE_EXHAUSTED, (error as Error).message)
    }
  }

  #placeWaiting(): void {
    for (const call of this.#waiting) {
      const slot = this.#slots.find(({ session }) => session !== undefined && session.free > 0)
      if (slot === undefined) return
      this.#send(call, slot, slot.session!)
    }
  }

  #expire(): void {
    const { timeoutMs } = this.#options
    const now = performance.now()
    for (const call of this.#calls.keys()) {
      if (call.begunMs + timeoutMs > now) return
      call.fail(Status.DEADLINE_EXCEEDED, `no answer within ${timeoutMs} ms`)
    }
  }

  async #fill(slot: Slot): Promise<void> {
    const { plan } = this.#options
    slot.opening = true
    slot.answered = 0
    let session: LoadSession | undefined
    const leave = (): void => {
      if (session === undefined || slot.session !== session) return
      slot.session = undefined
      this.#replace(slot)
    }
    const owner = {
      onFree: () => this.#placeWaiting(),
      onGoaway: (reason: string) => {
        this.#lostReason = plainText(reason)
        leave()
      },
      onLost: (reason: string) => {
        this.#lostReason = plainText(reason)
        if (session !== undefined) this.#sessions.delete(session)
        leave()
      },
    }
    try {
      session = await LoadSession.open(plan.target, owner)
    } catch (error) {
      slot.againMs = performance.now() + RECONNECT_MS
      const reason = connectFailure(error, plan.target.name)
      this.#lostReason = reason
      throw new BenchFailure(`cannot connect to ${plan.target.name} (--${plan.name}): ${reason}`)
    } finally {
      slot.opening = false
    }
    if (this.#closed) return session.close()
    this.#sessions.add(session)
    slot.session = session
    this.#placeWaiting()
  }

  /** Replaces a connection while calls run. Between slices this waits for the next `open`. */
  #replace(slot: Slot): void {
    if (this.#closed) return
    if ((this.#calls.size > 0 || this.kept) && slot.answered > 0) return this.#refill(slot)
    slot.againMs = performance.now() + RECONNECT_MS
    this.#giveUp()
  }

  #reconnect(): void {
    const now = performance.now()
    for (const slot of this.#slots) {
      if (slot.session === undefined && !slot.opening && slot.againMs <= now) this.#refill(slot)
    }
  }

  #refill(slot: Slot): void {
    this.#fill(slot).catch(() => this.#giveUp())
  }

  #giveUp(): void {
    if (!this.down) return
    for (const call of this.#waiting) call.fail(Status.UNAVAILABLE, `no connection: ${this.#lostReason}`)
  }
}
