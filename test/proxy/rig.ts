/** What the tests of the proxy's own life have in common: the contract's rig on the default transports. */
import type { Test } from 'tap'
import { type Rig, type RigOptions, rig as rigOf } from '../contract/rig.ts'

export const PAIRING = { name: 'frames to frames', downstream: 'frames', upstream: 'frames' } as const

export function rig(t: Test, options: RigOptions = {}): Promise<Rig> {
  return rigOf(t, PAIRING, options)
}

export const LONG_MS = 60_000
