/**
 * Many timers at the price of one: a hashed wheel (Varghese & Lauck, 1987, scheme 6). Deadlines of
 * calls go in and out by pointer; one clock timer turns the wheel, and only while it holds something.
 */
import type { Clock, Timer } from './clock.ts'

/** 512 slots of 5 ms: a call's usual deadline lies within some turns, and none fires over 5 ms late by design. */
const SLOTS = 512
const TICK_MS = 5

/** One entry of a wheel. Only the wheel uses its fields. */
export abstract class WheelEntry {
  /** The tick at which it fires. */
  tick = 0
  previous: WheelEntry | undefined
  next: WheelEntry | undefined
  armed = false

  /** Its time is over. */
  abstract fire(): void
}

/** An entry that belongs to whoever waits. */
export class WheelTimer extends WheelEntry {
  readonly #fire: () => void

  constructor(fire: () => void) {
    super()
    this.#fire = fire
  }

  fire(): void {
    this.#fire()
  }
}

export class TimerWheel {
  readonly #clock: Clock
  readonly #slots: (WheelEntry | undefined)[] = new Array(SLOTS).fill(undefined)
  readonly #startMs: number
  #tick = 0
  #size = 0
  #turning: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startMs = clock.now()
  }

  /** Timers that wait now. */
  get size(): number {
    return this.#size
  }

  /** It fires at `atMs` of the clock or up to a tick later, never earlier. Arming it again moves it. */
  arm(timer: WheelEntry, atMs: number): void {
    this.disarm(timer)
    if (this.#size === 0) this.#tick = this.#tickOf(this.#clock.now())
    timer.tick = Math.max(this.#tick + 1, Math.ceil((atMs - this.#startMs) / TICK_MS))
    timer.armed = true
    const slot = timer.tick % SLOTS
    const head = this.#slots[slot]
    timer.next = head
    timer.previous = undefined
    if (head !== undefined) head.previous = timer
    this.#slots[slot] = timer
    this.#size++
    this.#turning ??= this.#untilNextTick()
  }

  disarm(timer: WheelEntry): void {
    if (!timer.armed) return
    timer.armed = false
    this.#size--
    if (timer.previous === undefined) this.#slots[timer.tick % SLOTS] = timer.next
    else timer.previous.next = timer.next
    if (timer.next !== undefined) timer.next.previous = timer.previous
    timer.previous = timer.next = undefined
    if (this.#size > 0) return
    this.#turning?.cancel()
    this.#turning = undefined
  }

  #untilNextTick(): Timer {
    const now = this.#clock.now()
    return this.#clock.after(this.#startMs + (this.#tickOf(now) + 1) * TICK_MS - now, this.#turn)
  }

  #tickOf(ms: number): number {
    return Math.floor((ms - this.#startMs) / TICK_MS)
  }

  readonly #turn = (): void => {
    this.#turning = undefined
    const now = this.#tickOf(this.#clock.now())
    // After a long pause, one round over the slots finds every timer that is due.
    const first = Math.max(this.#tick + 1, now - SLOTS + 1)
    this.#tick = now
    for (let tick = first; tick <= now; tick++) this.#fireSlot(tick % SLOTS, now)
    if (this.#size > 0) this.#turning ??= this.#untilNextTick()
  }

  #fireSlot(slot: number, now: number): void {
    const due: WheelEntry[] = []
    for (let timer = this.#slots[slot]; timer !== undefined; timer = timer.next) {
      if (timer.tick <= now) due.push(timer)
    }
    for (const timer of due) {
      // A timer that fired earlier may have disarmed or moved this one.
      if (!timer.armed || timer.tick > now) continue
      this.disarm(timer)
      timer.fire()
    }
  }
}
