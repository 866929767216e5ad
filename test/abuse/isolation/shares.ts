/** Attacks by keeping what others need: streams, places in the queue, windows of a backend session. */
import { Code, Setting } from '../../support/frames.ts'
import { type Attack, Crowd, call, paced, type Target } from './attack.ts'
import type { AttackConnection } from './attack-connection.ts'

/** All connections together; the proxy allows each as many. */
const CALLS = 1_000
/** What is refused comes back so often. */
const REFILL_A_SECOND = 1_000

/** Keeps so many calls open, also when some are refused. */
function holding(target: Target, crowd: Crowd, share: number, block: Buffer): void {
  crowd.also(
    paced(REFILL_A_SECOND, count => {
      let left = count
      for (const connection of crowd.connections) {
        if (connection.congested) continue
        for (; left > 0 && connection.open.size < share; left--) {
          connection.request(block)
          target.count(1)
        }
      }
    }),
  )
}

const endless: Attack = {
  name: '1,000 calls that never end',
  enough: 1_000,
  start(target, connections) {
    const crowd = new Crowd(target, connections, {})
    holding(target, crowd, Math.ceil(CALLS / connections), call('Silent'))
    return crowd.stop
  },
}

/** Each connection as many as the proxy allows. */
const manyEndless: Attack = {
  name: '1,000 calls that never end, of each connection',
  enough: 1_000,
  start(target, connections) {
    const crowd = new Crowd(target, connections, {})
    holding(target, crowd, CALLS - 1, call('Silent'))
    return crowd.stop
  },
}

/** Their client says of each that it matters most. */
const critical: Attack = {
  name: '1,000 critical calls that never end, of each connection',
  enough: 1_000,
  field: 'limited',
  start(target, connections) {
    const crowd = new Crowd(target, connections, {})
    holding(target, crowd, CALLS - 1, call('Silent', ['x-priority', 'critical']))
    return crowd.stop
  },
}

const NO_WINDOW = { settings: { [Setting.INITIAL_WINDOW_SIZE]: 0 }, windowBytes: 2 ** 30 }

const unread: Attack = {
  name: '1,000 responses that are not read',
  enough: 1_000,
  start(target, connections) {
    const crowd = new Crowd(target, connections, {}, NO_WINDOW)
    holding(target, crowd, Math.ceil(CALLS / connections), call('Pour'))
    return crowd.stop
  },
}

/** Of `limits.streamWindowBytes`: just over a sixteenth. */
const A_LITTLE = Math.ceil((262_144 / 16) * 1.1)

function every(ms: number, connections: Iterable<AttackConnection>, act: (connection: AttackConnection) => void) {
  const timer = setInterval(() => {
    for (const connection of connections) act(connection)
  }, ms)
  return () => clearInterval(timer)
}

const hardlyRead: Attack = {
  name: '1,000 responses, of which just over a sixteenth is read each time',
  enough: 2_000,
  start(target, connections) {
    const crowd = new Crowd(target, connections, {}, NO_WINDOW)
    holding(target, crowd, Math.ceil(CALLS / connections), call('Pour'))
    return crowd.also(
      every(target.slowReaderTimeoutMs * 0.9, crowd.connections, connection => {
        for (const id of connection.open) connection.windowUpdate(id, A_LITTLE)
        target.count(connection.open.size)
      }),
    ).stop
  },
}

const renewed: Attack = {
  name: '1,000 responses that are not read, given up and asked for anew',
  enough: 2_000,
  start(target, connections) {
    const crowd = new Crowd(target, connections, {}, NO_WINDOW)
    holding(target, crowd, Math.ceil(CALLS / connections), call('Pour'))
    return crowd.also(
      every(target.slowReaderTimeoutMs * 0.8, crowd.connections, connection => {
        for (const id of [...connection.open]) connection.reset(id, Code.CANCEL)
      }),
    ).stop
  },
}

export const SHARES: readonly Attack[] = [endless, manyEndless, critical, unread, hardlyRead, renewed]
