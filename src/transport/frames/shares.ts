/**
 * What each connection may work off of what it read, in one turn of the loop, so that a peer that sends much does not
 * delay the others.
 *
 * ```
 *   end of a turn                             poll phase                        end of the next
 *   ───────────────────────────────────────   ───────────────────────────────   ───────────────
 *   writes; then those that wait: WAIT_UNITS  reads: a share each; of what is   …
 *   for all of them, one after the other      more the rest waits, its socket
 *                                             is paused
 * ```
 *
 * The clients' connections have `TURN_UNITS` together. As long as there are some each may take `SHARE_UNITS`, and
 * always its least, which is a call or some. What it read beyond that waits. Those that did not wait just before go
 * first, up to a part of what there is, so that a large request need not queue with those who always have more.
 * Sessions to backends have `SHARED_UNITS` each besides. So a turn takes as long with twenty attackers as with one,
 * once they wait, and no connection is cut that reads what usual clients send: a read full of frames of 16 KiB is 4
 * units, a hundred small calls are some 700.
 */
import { ENOUGH_UNITS, type Work } from '../../wire/work.ts'
import { endTurnSoon } from '../turn.ts'

/** 0.1 to 0.3 ms. A hundred calls of one connection pass: cut into parts, each part would cost a flush of its own. */
const SHARE_UNITS = 1_024
/** … of each session to a backend, besides what clients have: it carries everybody's answers, about 800. */
const SHARED_UNITS = 8 * SHARE_UNITS
/** Ten connections with a hundred calls each pass: cut into parts, they would cost a quarter more. */
const TURN_UNITS = 8 * SHARE_UNITS
/** For all that wait. */
const WAIT_UNITS = SHARE_UNITS
/** For those that go first. The others always have what any frame needs. */
const FIRST_UNITS = WAIT_UNITS - ENOUGH_UNITS
const LEAST_UNITS = 32
/** … of each where very many connections read in one turn. */
const SCARCE_UNITS = 8
const SCARCE = 2 * TURN_UNITS
/** In turns: a connection that waited this recently always has more. */
const JUST_BEFORE = 2

/** Bytes that were read and wait for their turn. */
export interface Rest {
  readonly chunk: Buffer
  at: number
  readonly end: number
  readonly rewritable: boolean
  /** Some of its frames are in the queues of sockets without a copy. */
  pinned: boolean
}

/** A connection that has read more than it may work off. */
export interface Waiting {
  readonly work: Work
  /** Whether it is a connection to a backend, where what comes is for many clients. */
  readonly shared: boolean
  /** The last turn in which it waited. */
  waited: number
  /** Goes on as far as `work` allows. @returns whether it still waits */
  goOn(): boolean
}

let turn = 1
/** Units of this turn that are used. */
let used = 0
/** What a connection that is served now may bring that to. */
let most = TURN_UNITS
let first: Waiting[] = []
let others: Waiting[] = []

/** Before a connection reads, it gets its share of the turn, once a turn, however often it reads. */
export function giveShare({ work, shared }: Waiting): void {
  if (work.turn === turn) return
  work.turn = turn
  const least = used < SCARCE ? LEAST_UNITS : SCARCE_UNITS
  const share = shared ? SHARED_UNITS : Math.max(Math.min(most - used, SHARE_UNITS), least)
  // A debt is paid before anything else.
  work.left = Math.min(share, work.left + share)
}

/** It has read: `before` is what `work` had left. */
export function countWork({ work, shared }: Waiting, before: number): void {
  if (!shared) used += before - work.left
  // After a turn that took little, the next turn goes on with what is left.
  if (used >= SHARE_UNITS || work.left < LEAST_UNITS) endTurnSoon()
}

/** The rest of what it read waits. */
export function waitForTurn(connection: Waiting): void {
  if (connection.shared || turn - connection.waited > JUST_BEFORE) first.push(connection)
  else others.push(connection)
  endTurnSoon()
}

/** The end of a turn, once all that was to be written is: those that wait go on. */
export function nextTurn(): void {
  turn++
  used = 0
  if (first.length + others.length === 0) return
  const [before, behind] = [first, others]
  first = []
  others = []
  /** Connections that had too little left for their next frame, or a debt to pay. */
  const stuck: Waiting[] = []
  const again: Waiting[] = []
  let [at, next] = [0, 0]
  try {
    for (; at < before.length && used < FIRST_UNITS; at++) {
      const connection = before[at]!
      most = Math.min(used + ENOUGH_UNITS, FIRST_UNITS)
      serve(connection, stuck, again)
    }
    most = WAIT_UNITS
    used = Math.min(used, FIRST_UNITS)
    while (next < behind.length && used < WAIT_UNITS) serve(behind[next++]!, stuck, again)
  } finally {
    most = TURN_UNITS
    first = [...before.slice(at), ...first]
    others = [...stuck, ...behind.slice(next), ...again, ...others]
    if (first.length + others.length > 0) endTurnSoon()
  }
}

function serve(connection: Waiting, stuck: Waiting[], again: Waiting[]): void {
  const before = used
  connection.waited = turn
  if (!connection.goOn()) return
  if (connection.shared) first.push(connection)
  else if (used === before) stuck.push(connection)
  else again.push(connection)
}
