/** Hedged calls on fake streams. */
import type { HedgePolicy } from '../../src/routing/hedge-policy.ts'
import { definePolicy } from '../../src/routing/policy.ts'
import type { FakeStream } from '../support/fake-transport.ts'
import { failed, TICKS_MS } from './policy-retry-rig.ts'
import { CallRig, RESPONSE, type RigOptions, TRAILERS } from './rig.ts'

export const DELAY_MS = 100
export const BUDGET = { maxTokens: 100, tokenRatio: 0.1 }

export function hedging(hedge: HedgePolicy = {}, options: RigOptions & { timeoutMs?: number } = {}): CallRig {
  const { timeoutMs, ...rest } = options
  const policy = definePolicy({ timeoutMs, hedge: { delayMs: DELAY_MS, ...hedge } })
  return new CallRig({ director: () => ({ backend: 'main', policy }), ...rest })
}

/** The delay passes, and what the wheel of timers adds to it. */
export function delay(rig: CallRig, ms = DELAY_MS): void {
  rig.clock.advance(ms + TICKS_MS)
}

export function answers(up: FakeStream): void {
  up.headers(RESPONSE)
  up.trailers(TRAILERS)
  up.settle()
}

export function fails(up: FakeStream, more: Readonly<Record<string, string>> = {}, status = 14): void {
  up.headers(failed(status, more), true)
  up.settle()
}

export function headed(up: FakeStream, then: () => void): void {
  up.headers(RESPONSE)
  then()
}

export function settle(rig: CallRig, down: FakeStream): void {
  down.settle()
  for (const up of rig.ups) up.settle()
}

export function tokens(rig: CallRig, budget = BUDGET): number {
  return rig.backend.shared.budgets!.of(budget).tokens
}

/** What a call leaves at its backend. */
export function held(rig: CallRig): number[] {
  const { retries, hedges } = rig.backend.shared
  return [retries, hedges]
}

export function misuse(rig: CallRig): string[] {
  return rig.ups.flatMap(up => up.misuse)
}
