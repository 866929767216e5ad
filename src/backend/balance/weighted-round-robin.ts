/**
 * The endpoints take turns, and those with more weight more of them: stride scheduling, as gRFC A58 has it. Each round
 * asks every endpoint once, and an endpoint takes part in as many rounds as its weight is a part of the greatest.
 *
 * ```
 *   weights 3, 1        a's share of a round: 1, b's: 1/3
 *   round    0  1  2  3  4  5
 *   a        x  x  x  x  x  x
 *   b              x        x
 * ```
 *
 * So the turns of one endpoint are spread evenly, and a turn costs no more than the greatest weight over the mean.
 */
import type { Waiter } from '../client-share.ts'
import type { Endpoint } from '../endpoint.ts'
import type { Balancer } from './balancer.ts'

export class WeightedRoundRobin implements Balancer {
  protected readonly endpoints: readonly Endpoint[]
  /** Parts of the greatest weight, which is 1. */
  #parts: readonly number[] = []
  /** How much of a turn each has saved up; with 1 it takes one. */
  readonly #credit: number[]
  /** Whom the next walk asks first, if it has credit. */
  #turn: number
  /** Where this walk is, and how many endpoints it has not asked yet. */
  #at = 0
  #left = 0

  /** @param random from 0 up to 1: when each has its first turn. @param turn who is asked first */
  constructor(endpoints: readonly Endpoint[], random: () => number, turn: number) {
    this.endpoints = endpoints
    // Many proxies must not all begin with the same few.
    this.#credit = endpoints.map(random)
    this.#turn = turn
    this.weigh(endpoints.map(({ weight }) => weight))
  }

  /** What each has saved up stays. */
  protected weigh(weights: readonly number[]): void {
    const greatest = weights.reduce((most, weight) => Math.max(most, weight), 0)
    this.#parts = weights.map(weight => weight / greatest)
  }

  first(_call: Waiter): Endpoint | undefined {
    if (this.endpoints.length === 0) return undefined
    // The one with the greatest weight earns a turn in each round: the loop ends within one.
    while (!this.#earnsTurn(this.#turn)) this.#turn = this.#behind(this.#turn)
    this.#at = this.#turn
    this.#turn = this.#behind(this.#turn)
    this.#left = this.endpoints.length - 1
    return this.endpoints[this.#at]
  }

  #earnsTurn(at: number): boolean {
    const credit = this.#credit[at]! + this.#parts[at]!
    const earned = credit >= 1
    this.#credit[at] = earned ? credit - 1 : credit
    return earned
  }

  /** One that could not take the call has had its turn: it is full, or fails, and the others do its work. */
  next(): Endpoint | undefined {
    if (this.#left === 0) return undefined
    this.#left--
    this.#at = this.#behind(this.#at)
    return this.endpoints[this.#at]
  }

  #behind(at: number): number {
    return at + 1 === this.endpoints.length ? 0 : at + 1
  }
}
