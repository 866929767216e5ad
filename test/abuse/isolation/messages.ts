/** Attacks by what a message says: what one backend or another ends its connection for. */
import { Flag, FrameType, writeFrame } from '../../support/frames.ts'
import type { Field } from '../../support/hpack.ts'
import { type Attack, Crowd, call, message, PLAIN_FIELDS, paced } from './attack.ts'
import { blockOf, headerFrames } from './attack-connection.ts'

const A_SECOND = 500
const ANSWER = call('Answer')
const BODY = message(20)
const NO_FIELDS = Buffer.alloc(0)
const A_FIELD = blockOf([['x-late', 'v']])

/** HEADERS, DATA, and HEADERS again. */
const requestTrailers: Attack = {
  name: 'request trailers',
  enough: 250,
  start(target, connections) {
    const crowd = new Crowd(target, connections, {})
    let times = 0
    return crowd.also(
      paced(A_SECOND, count => {
        for (let at = 0; at < count; at++) {
          const connection = crowd.next()
          if (connection === undefined) return
          const id = connection.request(ANSWER, false)
          connection.data(id, BODY)
          connection.send(headerFrames(id, times++ % 2 === 0 ? NO_FIELDS : A_FIELD, true))
          target.count(1)
        }
      }),
    ).stop
  },
}

const PATH: Field = [':path', '/attack.Calls/Answer']

function withPath(path: string): Buffer {
  return blockOf([[':path', path], ...PLAIN_FIELDS])
}

function withAuthority(authority: string): Buffer {
  return blockOf([PATH, ...PLAIN_FIELDS.filter(([name]) => name !== ':authority'), [':authority', authority]])
}

const BAD_BLOCKS: readonly Buffer[] = [
  call('Answer', ['x-value', 'a\x01b']),
  call('Answer', ['x-value', 'a\x1fb']),
  call('Answer', ['x-value', 'a\x7fb']),
  call('Answer', ['x-value', 'a\0b']),
  call('Answer', ['x-value', 'a\r\nb']),
  call('Answer', ['x(name)', 'v']),
  call('Answer', ['X-Upper', 'v']),
  call('Answer', ['x name', 'v']),
  call('Answer', ['', 'v']),
  call('Answer', ['x-h\xe9', 'v']),
  call('Answer', ['connection', 'close']),
  call('Answer', [':late', 'v']),
  withPath('/attack.Calls/\x80'),
  withPath('attack.Calls/Answer'),
  withPath('/attack.Calls/Ans wer'),
  withPath(''),
  withAuthority('loc\x80alhost'),
  withAuthority('a b'),
  withAuthority('user@localhost'),
]

function fieldsOf(name: string, perSecond: number, blocks: readonly Buffer[], enough: number): Attack {
  return {
    name,
    enough,
    start(target, connections) {
      const crowd = new Crowd(target, connections, {})
      let times = 0
      return crowd.also(
        paced(perSecond, count => {
          for (let at = 0; at < count; at++) {
            const connection = crowd.next()
            if (connection === undefined) return
            connection.request(blocks[times++ % blocks.length]!)
            target.count(1)
          }
        }),
      ).stop
    },
  }
}

const many = Array.from({ length: 400 }, (_, at): Field => [`x-${at}`, 'v'])

/** 70 KB, 400 fields, 200 KB, and one value alone of more than the limit. */
const LARGE_BLOCKS: readonly Buffer[] = [
  call('Answer', ...Array.from({ length: 70 }, (_, at): Field => [`x-${at}`, 'a'.repeat(960)])),
  call('Answer', ...many),
  call('Answer', ...Array.from({ length: 100 }, (_, at): Field => [`x-${at}`, 'a'.repeat(2_000)])),
  call('Answer', ['x-one', 'a'.repeat(80_000)]),
]

/** A path of a slash less was counted as an invalid frame by nghttp2, which gives up at a thousand. */
const badFields = fieldsOf('names, values, paths and authorities that are none', A_SECOND, BAD_BLOCKS, 250)
const largeLists = fieldsOf('header lists over the limits', 100, LARGE_BLOCKS, 40)

/** The backend answers with trailers of 300 KB; so many calls at a time. */
const AT_A_TIME = 8

const bigTrailers: Attack = {
  name: 'trailers of 300 KB for its own calls',
  enough: 20,
  start(target, connections) {
    const block = call('Trailers')
    const share = Math.max(1, Math.round(AT_A_TIME / connections))
    return new Crowd(target, connections, {
      ready: connection => {
        for (let at = 0; at < share; at++) connection.request(block)
      },
      ended: connection => {
        target.count(1)
        connection.request(block)
      },
    }).stop
  },
}

/** What nobody asked for: PUSH_PROMISE's place, HEADERS of even numbers: each ends the attacker's own connection. */
const brokenRules: Attack = {
  name: 'frames that end its own connection, again and again',
  enough: 40,
  start(target, connections) {
    let times = 0
    return new Crowd(target, connections, {
      ready: connection => {
        connection.request(call('Begin'))
        const frames = [
          writeFrame({ type: FrameType.PUSH_PROMISE, flags: Flag.END_HEADERS, streamId: 1, payload: Buffer.alloc(4) }),
          headerFrames(2, ANSWER, true),
          writeFrame({ type: FrameType.CONTINUATION, flags: Flag.END_HEADERS, streamId: 1, payload: ANSWER }),
          writeFrame({ type: FrameType.HEADERS, flags: Flag.END_HEADERS, streamId: 3, payload: Buffer.from([0xff]) }),
          writeFrame({ type: FrameType.WINDOW_UPDATE, flags: 0, streamId: 0, payload: Buffer.alloc(4) }),
        ]
        connection.send(frames[times++ % frames.length]!)
        target.count(1)
      },
    }).stop
  },
}

export const MESSAGES: readonly Attack[] = [requestTrailers, badFields, largeLists, bigTrailers, brokenRules]
