/** Gates without a proxy: a call, what they did with it, and why. */
import type { CallInfo, Director, Target } from '../../src/routing/director.ts'
import { type Gate, Refusal } from '../../src/routing/gate.ts'
import type { Peer } from '../../src/transport/transport.ts'
import { type Asked, call as asked, HELLO } from '../routing/rig.ts'

export interface AskedGate extends Asked {
  readonly path?: string
  readonly peer?: Peer
}

export function call({ path = HELLO, peer, ...rest }: AskedGate = {}): CallInfo {
  const info = asked(path, rest)
  return peer === undefined ? info : { ...info, peer }
}

export const TARGET: Target = { backend: 'main' }

/** What became of a call: the target, or the token of the refusal and its reason. */
export async function ask(gate: Gate, info: CallInfo, last: Director = () => TARGET): Promise<Target | string> {
  try {
    return (await gate(last)(info))!
  } catch (error) {
    if (error instanceof Refusal) return `${error.token}: ${error.message}`
    throw error
  }
}
