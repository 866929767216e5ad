/** The attacker in a process of its own, so that what it costs is not paid by the victim; told and asked by messages. */
import os from 'node:os'
import { ATTACKS } from './attacks.ts'

export interface Strike {
  readonly name: string
  readonly connections: number
  readonly port: number
  readonly slowReaderTimeoutMs: number
}

/** Undefined: the attack that runs is over. */
export type Order = Strike | 'stop'

export interface Tidings {
  readonly strikes: number
  /** Connections that the proxy ended. */
  readonly lost: number
  readonly stopped: boolean
}

const REPORT_MS = 50

let stop: (() => void) | undefined
let [strikes, lost] = [0, 0]

// Where cores are few, those who are attacked go first: it is the proxy's time that counts here.
os.setPriority(os.constants.priority.PRIORITY_LOW)

function tell(stopped: boolean): void {
  process.send!({ strikes, lost, stopped } satisfies Tidings)
}

process.on('message', (order: Order) => {
  stop?.()
  stop = undefined
  if (order === 'stop') return tell(true)
  strikes = lost = 0
  const attack = ATTACKS.find(({ name }) => name === order.name)
  if (attack === undefined) throw new Error(`no attack is called ${JSON.stringify(order.name)}`)
  const target = {
    ...order,
    count: (times: number) => {
      strikes += times
    },
    lost: () => {
      lost++
    },
  }
  stop = attack.start(target, order.connections)
})
process.on('disconnect', () => process.exit(0))
setInterval(() => {
  if (stop !== undefined) tell(false)
}, REPORT_MS)
