/** Attacks by what the proxy has to keep: bodies that may have to be sent again, header lists, blocks without an end. */
import { FrameType, writeFrame } from '../../support/frames.ts'
import { type Field, HpackEncoder } from '../../support/hpack.ts'
import { type Attack, Crowd, call, message, PLAIN_FIELDS, paced } from './attack.ts'
import { type AttackConnection, blockOf } from './attack-connection.ts'

/** Of each connection; the proxy allows 1,000. */
const CALLS = 999
const REFILL_A_SECOND = 1_000
const KILOBYTES_60 = 60_000

/** Keeps `CALLS` open on each connection; `begin` makes one. */
function filling(name: string, enough: number, begin: (connection: AttackConnection) => void): Attack {
  return {
    name,
    enough,
    field: 'memory',
    start(target, connections) {
      const crowd = new Crowd(target, connections, {})
      return crowd.also(
        paced(REFILL_A_SECOND * connections, count => {
          let left = count
          for (const connection of crowd.connections) {
            for (; left > 0 && !connection.congested && connection.open.size < CALLS; left--) {
              begin(connection)
              target.count(1)
            }
          }
        }),
      ).stop
    },
  }
}

const SILENT = call('Silent')
const BODY = message(KILOBYTES_60)
const WIDE = call('Silent', ['x-wide', 'a'.repeat(KILOBYTES_60)])

/** Requests of 60 KB, kept for a retry as long as the backend says nothing. */
const replays = filling('1,000 requests of 60 KB of each connection, that are not answered', 2_000, connection => {
  connection.body(connection.request(SILENT, false), BODY, false)
})

const headerLists = filling('1,000 header lists of 60 KB of each connection, that wait', 2_000, connection => {
  connection.request(WIDE)
})

/** Connections for each one of the table's: 20 are 2,000. */
const FOR_EACH = 100

/** Of a header block: some of its frames, and then no more. */
function begunBlock(streamId: number, block: Buffer): Buffer {
  const frames: Buffer[] = []
  for (let at = 0; at < block.length; at += 16_384) {
    const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION
    frames.push(writeFrame({ type, flags: 0, streamId, payload: block.subarray(at, at + 16_384) }))
  }
  return Buffer.concat(frames)
}

/** The first 60 KB of it are kept, up to the limit of a list; or it is one value of a megabyte, of which 240 KB come. */
const LISTED = blockOf(Array.from({ length: 60 }, (_, at): Field => [`x-${at}`, 'a'.repeat(970)]))
const ONE_VALUE = Buffer.alloc(240_000, 0x61)
ONE_VALUE.set([0x00, 0x01, 0x61, 0x7f, 0x80, 0x80, 0x40])

const unfinished: Attack = {
  name: 'header blocks that do not end, of 60 and 240 KB, on 100 times as many connections',
  enough: 300,
  field: 'memory',
  start(target, connections) {
    let times = 0
    return new Crowd(target, connections * FOR_EACH, {
      ready: connection => {
        connection.send(begunBlock(connection.newStreamId(), times++ % 2 === 0 ? LISTED : ONE_VALUE))
        target.count(1)
      },
    }).stop
  },
}

/** One field of the dynamic table, as long as it may be, and a block of nothing but references to it. */
const LONGEST = 'a'.repeat(3_900)

/** 60 KB of header list in some 60 bytes; as fast as it is answered. */
const expanding: Attack = {
  name: 'HEADERS of 60 bytes that are 60 KB to the backend',
  enough: 3_000,
  field: 'memory',
  cpu: true,
  start(target, connections) {
    const blocks = new WeakMap<AttackConnection, Buffer>()
    const fields: Field[] = [[':path', '/attack.Calls/Answer'], ...PLAIN_FIELDS]
    for (let at = 0; at < 15; at++) fields.push(['x-long', LONGEST, 'indexed'])
    const strike = (connection: AttackConnection): void => {
      const block = blocks.get(connection)
      if (block === undefined) return
      while (!connection.congested && connection.open.size < CALLS) {
        connection.request(block)
        target.count(1)
      }
    }
    return new Crowd(target, connections, {
      ready: connection => {
        const encoder = new HpackEncoder()
        connection.request(encoder.encode(fields))
        blocks.set(connection, encoder.encode(fields))
        strike(connection)
      },
      ended: strike,
      room: strike,
    }).stop
  },
}

export const MEMORY: readonly Attack[] = [replays, headerLists, unfinished, expanding]
