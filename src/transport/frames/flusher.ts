/**
 * One flush for all connections: each that has something to send puts itself on a list, and the end of the turn
 * (`turn.ts`) writes them all. It runs right after the poll phase, so that what came in one turn of the loop, from
 * however many sockets, leaves in one write for each connection.
 */
import { endTurnSoon, lastInTurn } from '../turn.ts'
import { nextTurn } from './shares.ts'

/** Something that can be flushed. */
export interface Flushable {
  /**
   * It is called once for each `flushSoon`. It may ask for another flush, which then comes in the next turn.
   * @returns whether everything that was ever written has left the memory of this process
   */
  flush(): boolean
}

let waiting: Flushable[] = []
let spare: Flushable[] = []

lastInTurn(flushNow, nextTurn)

/** The caller makes sure that it asks only once until its `flush`. */
export function flushSoon(connection: Flushable): void {
  waiting.push(connection)
  endTurnSoon()
}

/**
 * Flushes all that wait, but not those that begin to wait meanwhile. Do not call it from within a call of an owner.
 * @returns whether all of them were sent whole
 */
export function flushNow(): boolean {
  const now = waiting
  waiting = spare
  spare = []
  let at = 0
  let sent = true
  try {
    while (at < now.length) if (!now[at++]!.flush()) sent = false
  } finally {
    // When one throws (by an owner's fault), the others must still be flushed.
    for (; at < now.length; at++) flushSoon(now[at]!)
    now.length = 0
    spare = now
  }
  return sent
}
