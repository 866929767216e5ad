import type { Turn, TurnTask } from '../../src/transport/turn.ts'

/** Each turn ends as soon as there is something to do at its end. */
export const INSTANT_TURN: Turn = { atEnd: task => task.atTurnEnd() }

/** Ends when the test says so. */
export class FakeTurn implements Turn {
  readonly #tasks: TurnTask[] = []

  atEnd(task: TurnTask): void {
    this.#tasks.push(task)
  }

  /** Something is to be done at its end. */
  get waits(): boolean {
    return this.#tasks.length > 0
  }

  end(): void {
    for (const task of this.#tasks.splice(0)) task.atTurnEnd()
  }
}
