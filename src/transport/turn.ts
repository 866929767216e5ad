/**
 * The end of a turn of the loop, which comes once everything that the turn read is known:
 *
 * ```
 *  poll phase: reads ─▶ frames ─▶ relays      setImmediate: tasks (who gets a stream) ─▶ one write a connection
 * ```
 *
 * What is decided there is decided with what came last in view: a call that its client reset in the same turn is never
 * sent, and a limit that a backend lowered in the same read is known before a stream is opened.
 */

/** Something to be decided at the end of the turn. */
export interface TurnTask {
  /** Once for each `atEnd`. May ask for another, which is then in the next turn. */
  atTurnEnd(): void
}

/** Injected, so that tests can end their turns themselves. */
export interface Turn {
  /** The caller sees to it that it asks once only until its turn. */
  atEnd(task: TurnTask): void
}

let tasks: TurnTask[] = []
let spare: TurnTask[] = []
let scheduled = false
let last: () => void = () => {}

/** The turn of Node's loop. */
export const loopTurn: Turn = {
  atEnd(task) {
    tasks.push(task)
    endTurnSoon()
  },
}

/** What runs behind all tasks: there is one, the flush of all connections. */
export function lastInTurn(run: () => void): void {
  last = run
}

/** There is something to do at the end of this turn. */
export function endTurnSoon(): void {
  if (scheduled) return
  scheduled = true
  setImmediate(endTurn)
}

function endTurn(): void {
  scheduled = false
  const now = tasks
  tasks = spare
  spare = []
  let at = 0
  try {
    while (at < now.length) now[at++]!.atTurnEnd()
  } finally {
    // One that throws must not take the others, nor the writes, with it.
    for (; at < now.length; at++) loopTurn.atEnd(now[at]!)
    now.length = 0
    spare = now
    last()
  }
}
