/**
 * The end of a turn of the loop, which comes once everything that the turn read is known:
 *
 * ```
 *  poll phase: reads ─▶ frames ─▶ relays      setImmediate: tasks (who gets a stream) ─▶ one write a connection ─▶ rests
 * ```
 *
 * A decision made there takes into account what came last: a call that its client reset in the same turn is never
 * sent, and a limit that a backend lowered in the same read is known before a stream is opened.
 */

import { type Clock, systemClock } from './clock.ts'

/** Something that is decided at the end of the turn. */
export interface TurnTask {
  /** It is called once for each `atEnd`. It may ask for another call, which then comes in the next turn. */
  atTurnEnd(): void
}

/** Injected, so that tests can end their turns themselves. */
export interface Turn {
  /** The caller makes sure that it asks only once until its turn. */
  atEnd(task: TurnTask): void
}

/** Between two changes of it no work of others is done. It changes before the tasks, the writes and the rests, and behind. */
let part = 0
let ending = false
const writers = new Set<() => void>()
let tasks: TurnTask[] = []
let spare: TurnTask[] = []
let scheduled = false
let write: () => void = () => {}
let goOn: () => void = () => {}

/** The turn of Node's loop. */
export const loopTurn: Turn = {
  atEnd(task) {
    tasks.push(task)
    endTurnSoon()
  },
}

/**
 * What runs after all tasks. There is one of each.
 * @param flush writes for all connections
 * @param rest goes on with what connections have read beyond their share
 */
export function lastInTurn(flush: () => void, rest: () => void): void {
  write = flush
  goOn = rest
}

/** @param told that a turn has written; it must not throw. @returns what ends that */
export function onWritten(told: () => void): () => void {
  writers.add(told)
  return () => writers.delete(told)
}

/** Whether there is something to do at the end of this turn. */
export function endTurnSoon(): void {
  if (scheduled) return
  scheduled = true
  setImmediate(endTurn)
}

function endTurn(): void {
  scheduled = false
  ending = true
  part++
  const now = tasks
  tasks = spare
  spare = []
  let at = 0
  try {
    while (at < now.length) now[at++]!.atTurnEnd()
  } finally {
    // When one throws, the others and the writes must still run.
    for (; at < now.length; at++) loopTurn.atEnd(now[at]!)
    now.length = 0
    spare = now
    finish()
  }
}

function finish(): void {
  part++
  try {
    write()
  } finally {
    for (const told of writers) told()
    part++
    try {
      goOn()
    } finally {
      ending = false
      part++
    }
  }
}

/**
 * A clock that is read once for all that is read in a turn, and once for each part of its end: what is decided, what is
 * written, what goes on. What a turn read had come by its begin, so that is the time of all of it; and reading the clock for
 * each call would cost 50 ns each time.
 */
export function turnClock(clock: Clock): Clock {
  let known = -1
  let nowMs = 0
  return {
    now() {
      if (known === part) return nowMs
      // Where nothing else asks for an end of this turn: or this time would be that of the next one, too.
      if (!ending) endTurnSoon()
      known = part
      nowMs = clock.now()
      return nowMs
    },
    after: (delayMs, fire) => clock.after(delayMs, fire),
  }
}

/** That of Node's loop: one for all, so that it is read once a turn. */
export const loopClock: Clock = turnClock(systemClock)
