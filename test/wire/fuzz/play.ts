/**
 * One input for a whole `Connection`: a session, mutated and in pieces, while the local side acts at random; and the
 * judge of all that can be seen from outside.
 */
import { CONNECTION_LIMITS } from '../../../src/wire/connection-options.ts'
import { framesTaken } from '../../../src/wire/frame-in-hand.ts'
import { SHARE_BYTES } from '../../../src/wire/memory-budget.ts'
import { ConnectionError } from '../../../src/wire/protocol-error.ts'
import { FrameType, uint32 } from '../../support/frames.ts'
import { arrivalsOf, type ConnectionInput } from './connection-input.ts'
import { Local } from './local.ts'
import { chance, must, pick, type Random } from './random.ts'
import { frame } from './sessions.ts'

/** An input is cut into so many pieces on average at most: what comes after each costs more than the piece. */
const MOST_PIECES = 400

/** The last DATA of a flush may go over its bound. */
const LAST_FRAME_BYTES = 9 + 16_384

/** A WINDOW_UPDATE of the connection is never less, where there is room. */
const HALF_SHARE = Math.floor(SHARE_BYTES / 2)

/** Units of work for any piece. */
const PLENTY = 100_000

/** Read buffers are larger than what is in them. */
const SLACK = 5
let chunk = Buffer.alloc(65_536)

export class Play extends Local {
  /** The whole input was taken, and what was to be sent got through. */
  finished = false
  /** What was flushed and not looked at. */
  readonly #taken: Buffer[] = []
  readonly #windowMost: number
  readonly #windowLeast: number
  /** What other connections hold of the budget. */
  #elsewhere = 0
  #now = 0
  #gone = false

  constructor(input: ConnectionInput, random: Random) {
    super(input, random)
    const { initialConnectionWindow, maxConnectionWindow } = { ...CONNECTION_LIMITS, ...input.limits }
    this.#windowLeast = Math.max(initialConnectionWindow, 65_535)
    this.#windowMost = Math.max(maxConnectionWindow, this.#windowLeast)
  }

  /** @returns the tokens of all rejections */
  run(): readonly string[] {
    const { connection, random } = this
    connection.start()
    const input = Buffer.concat(this.input.frames)
    const arrivals = arrivalsOf(input, this.role)
    const pieces = Math.max(this.input.pieces, Math.ceil(input.length / MOST_PIECES))
    let next = 0
    for (let at = 0; at < input.length; ) {
      const to = Math.min(input.length, at + 1 + random(2 * pieces))
      for (; next < arrivals.length && arrivals[next]!.end <= to; next++) {
        const { type, flags, id, payload } = arrivals[next]!
        this.view.peerSent(type, flags, id, payload)
      }
      this.#receive(input.subarray(at, to))
      at = to
      this.#settled()
      for (let n = random(3); n > 0; n--) this.#step()
    }
    const whole = arrivals.length > 0 && arrivals.at(-1)!.end === input.length
    if (this.failure === undefined && whole && connection.over === undefined) {
      this.finished = true
      this.#finish()
    }
    this.#close()
    return this.tokens
  }

  // What it does

  #receive(bytes: Buffer): void {
    const rewritable = bytes.length > 4_096 && chance(this.random, 2)
    const room = bytes.length + SLACK
    if (room > chunk.length) chunk = Buffer.alloc(2 * room)
    const into = rewritable ? Buffer.alloc(room) : chunk
    bytes.copy(into)
    into.fill(0x55, bytes.length, room)
    this.may += 4 * bytes.length
    this.rewritable = rewritable ? into : undefined
    framesTaken()
    // As if others had their turn between: not all at once.
    for (let at = 0; at < bytes.length; ) {
      this.work.left = chance(this.random, 6) ? this.random(20) : PLENTY
      at = this.connection.receive(into, bytes.length, rewritable, 0, at)
    }
    this.rewritable = undefined
    if (!framesTaken()) into.fill(0xcc, 0, room)
    else must(rewritable, 'a frame was taken of a chunk that was not to be changed')
  }

  #step(): void {
    const { connection, random } = this
    switch (random(16)) {
      case 0:
        connection.congested = chance(random, 2)
        break
      case 1:
        this.#now += random(3_000)
        this.own(0, () => connection.tick(this.#now))
        break
      case 2:
        this.#rarely(random(9))
        break
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
      case 8:
        this.#flush()
        break
      default:
        if (this.actors.length > 0) pick(random, this.actors).act()
    }
    this.#settled()
  }

  #drain(): void {
    // What an honest server sends is for all the streams that were to be opened.
    if (this.role === 'client' && this.input.honest) return
    this.drains = true
    this.connection.drain()
  }

  #rarely(dice: number): void {
    const { connection } = this
    if (dice < 3) this.own(20, () => connection.ping())
    else if (dice === 3) this.own(40, () => this.#drain())
    else if (dice === 4) this.own(20, () => connection.drainTimedOut())
    else if (dice < 7) this.#neighbours()
    else if (dice === 7) {
      if (this.#taken.length === 0) connection.reuse()
    } else if (chance(this.random, 8)) this.#giveUp()
  }

  /** Other connections receive, or consume. */
  #neighbours(): void {
    const bytes = chance(this.random, 2) ? -this.#elsewhere : this.random(120_000)
    this.#elsewhere += bytes
    this.may += 60
    const before = SHARE_BYTES + this.#elsewhere - bytes
    this.own(20, () => this.budget.changed(before, before + bytes))
  }

  #giveUp(): void {
    if (this.input.honest) return
    if (chance(this.random, 3)) {
      this.#gone = true
      this.connection.closed('the socket is gone')
    } else if (chance(this.random, 2)) this.connection.end('enough')
    else this.connection.fail(new ConnectionError(4, 'window-update-0', 'SETTINGS_TIMEOUT'))
  }

  #flush(): void {
    this.noticed = false
    this.#taken.push(...this.connection.flush())
    this.may = 1_000
    if (!chance(this.random, 3)) this.#look()
  }

  /** The peer gets what was flushed; its memory may be used again. */
  #look(): void {
    this.view.got(Buffer.concat(this.#taken))
    this.#taken.length = 0
    if (!chance(this.random, 3)) this.connection.reuse()
  }

  /** What must be true between calls. */
  #settled(): void {
    const { connection } = this
    let untold = false
    let held = 0
    let queued = 0
    for (const actor of this.actors) {
      queued += actor.stream.queuedBytes
      const { end } = actor.stream
      if (end === undefined || end.kind === 'clean') held += actor.held
      if (end !== undefined) {
        must(actor.stream.queuedBytes === 0, 'a queue without a stream')
        if (actor.closed === undefined) untold = true
      }
    }
    must(connection.queuedBytes === queued, `queuedBytes ${connection.queuedBytes}, streams have ${queued}`)
    must(this.noticed || (connection.pendingBytes === 0 && !untold), 'something to flush, and onPending was not told')
    const flushMost = (this.input.limits.maxOutputBytes ?? CONNECTION_LIMITS.maxOutputBytes) + LAST_FRAME_BYTES
    const most = flushMost + this.may
    must(connection.pendingBytes <= most, `${connection.pendingBytes} bytes wait, ${most} may`)
    if (connection.over !== undefined) return
    must(connection.heldBytes === held, `heldBytes ${connection.heldBytes}, owners have ${held}`)
    const promised = this.budget.promisedBytes - this.#elsewhere
    must(promised >= held - SHARE_BYTES, `the budget counts ${promised} bytes of ours, ${held} are held`)
    must(promised <= this.budget.limitBytes, `${promised} bytes promised, the limit is ${this.budget.limitBytes}`)
    must(held <= this.#windowMost, `${held} bytes held`)
  }

  /** The input is over, and whole: with windows for all there is, everything must get through. */
  #finish(): void {
    const { connection } = this
    // Windows open while the socket is full, or it is not full any more and then they open.
    connection.congested = chance(this.random, 2)
    const before = SHARE_BYTES + this.#elsewhere
    this.#elsewhere = 0
    this.own(20, () => this.budget.changed(before, 0))
    const most = 4_194_304
    const grants: Buffer[] = []
    this.#flushAll()
    if (this.view.credit < most) grants.push(frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(most - this.view.credit)))
    for (const actor of this.actors) {
      const { id, end } = actor.stream
      const window = this.view.windowOf(id)
      if (id !== 0 && end === undefined && window < most / 16)
        grants.push(frame(FrameType.WINDOW_UPDATE, 0, id, uint32(most / 16 - window)))
    }
    for (const grant of grants) this.view.peerSent(FrameType.WINDOW_UPDATE, 0, grant.readUInt32BE(5), grant.subarray(9))
    if (grants.length > 0) this.#receive(Buffer.concat(grants))
    this.#flushAll()
    connection.congested = false
    this.#flushAll()
    if (connection.over !== undefined) return
    this.#settled()
    for (const actor of this.actors)
      must(!actor.blocked, `stream ${actor.stream.id} waits with ${actor.stream.queuedBytes} bytes`)
    must(connection.sentBytes === this.view.dataBytes, `sentBytes ${connection.sentBytes}`)
    must(this.view.unanswered === '0 SETTINGS, 0 PING', `not answered: ${this.view.unanswered}`)
    const { receiveWindow } = this.view
    const room = this.#windowMost - connection.heldBytes
    must(receiveWindow <= room, `a receive window of ${receiveWindow} bytes, for which there is no room`)
    const { budget } = this
    const promised = Math.max(0, connection.heldBytes + receiveWindow - SHARE_BYTES)
    must(budget.promisedBytes === promised, `the budget counts ${budget.promisedBytes} bytes, ${promised} are promised`)
    // Half of what it is at first, unless so much is held that this is left, or the budget had no more.
    const size = Math.min(this.#windowLeast, room)
    const least = Math.min(HALF_SHARE, size - Math.max(size, SHARE_BYTES) / 2)
    if (budget.denied === 0) must(receiveWindow >= least, `a receive window of ${receiveWindow} bytes is left`)
    const scarce = 8 * budget.promisedBytes > 7 * budget.limitBytes
    must(
      budget.denied === 0 || scarce || 2 * budget.room(connection.heldBytes + receiveWindow) < SHARE_BYTES,
      `denied for nothing: ${budget.promisedBytes} of ${budget.limitBytes} bytes, ${connection.heldBytes} held, a window of ${receiveWindow}`,
    )
  }

  #flushAll(): void {
    // An owner that is told does something again; not without end.
    this.depth = 1
    for (let i = 0; this.noticed; i++) {
      must(i < 10_000, 'flushes without end')
      this.#flush()
    }
    this.#look()
    this.depth = 0
    must(!this.view.unfinished, 'what was flushed is not whole frames')
  }

  #close(): void {
    const { connection } = this
    this.#flush()
    this.#look()
    if (this.failure !== undefined && !this.#gone) {
      const [, code, debug] = this.view.goaways.at(-1) ?? []
      must(code === this.failure.code && debug === this.failure.token, `GOAWAY ${code} ${debug}`)
    }
    connection.closed('the end')
    for (const { closed, stream } of this.actors)
      must(closed !== undefined, `onClosed of stream ${stream.id} is missing`)
    must(connection.streams === 0 && connection.free === 0, 'streams after closed')
    const { promisedBytes, denied } = this.budget
    must(promisedBytes === this.#elsewhere && denied === 0, `${promisedBytes} bytes promised after closed`)
    must(connection.pendingBytes === 0, 'bytes to flush after closed')
    must(this.late || !this.view.tooManyStreams, 'more streams than the peer allows')
    this.#receive(frame(FrameType.PING, 0, 0, Buffer.alloc(8)))
    connection.ping()
    connection.drain()
    connection.drainTimedOut()
    connection.tick(this.#now)
    for (const actor of this.actors) actor.act()
    must(connection.flush().length === 0, 'bytes after closed')
  }
}
