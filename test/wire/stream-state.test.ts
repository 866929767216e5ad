/** The table of states against RFC 9113 §5.1, written down a second time as text. */
import fc from 'fast-check'
import t from 'tap'
import { ConnectionError, StreamError } from '../../src/wire/protocol-error.ts'
import {
  ClosedStreams,
  checkNewStream,
  IGNORED,
  REMEMBERED_STREAMS,
  StreamEvent,
  StreamState,
  transition,
} from '../../src/wire/stream-state.ts'
import { Code } from '../support/frames.ts'

const EVENTS = Object.entries(StreamEvent)
const STATES = Object.entries(StreamState)
const nameOf = (state: number) => (state === IGNORED ? 'IGNORED' : STATES.find(([, value]) => value === state)![0])

/** What comes of an event: a state, `IGNORED`, an error's token, or `mistake` for one of ours. */
function outcome(state: number, event: number): string {
  try {
    return nameOf(transition(state, event, 5))
  } catch (error) {
    if (error instanceof ConnectionError || error instanceof StreamError) return error.token
    if (!(error instanceof Error)) throw error
    return 'mistake'
  }
}

/** By state: what each event does that is not in the last column, which holds for all others received. */
const EXPECTED: Readonly<Record<string, [legal: Readonly<Record<string, string>>, otherReceived: string]>> = {
  IDLE: [
    {
      RECV_HEADERS: 'OPEN',
      RECV_HEADERS_END: 'HALF_CLOSED_REMOTE',
      SEND_HEADERS: 'OPEN',
      SEND_HEADERS_END: 'HALF_CLOSED_LOCAL',
      RECV_PROMISED: 'RESERVED_REMOTE',
      SEND_PROMISED: 'RESERVED_LOCAL',
    },
    'frame-on-idle-stream',
  ],
  RESERVED_LOCAL: [
    {
      SEND_HEADERS: 'HALF_CLOSED_REMOTE',
      SEND_HEADERS_END: 'CLOSED',
      SEND_RST_STREAM: 'CLOSED_RESET_SENT',
      RECV_RST_STREAM: 'CLOSED_RESET_RECEIVED',
      RECV_WINDOW_UPDATE: 'RESERVED_LOCAL',
    },
    'frame-on-reserved-stream',
  ],
  RESERVED_REMOTE: [
    {
      RECV_HEADERS: 'HALF_CLOSED_LOCAL',
      RECV_HEADERS_END: 'CLOSED',
      RECV_RST_STREAM: 'CLOSED_RESET_RECEIVED',
      SEND_RST_STREAM: 'CLOSED_RESET_SENT',
      SEND_WINDOW_UPDATE: 'RESERVED_REMOTE',
    },
    'frame-on-reserved-stream',
  ],
  OPEN: [
    {
      RECV_HEADERS: 'OPEN',
      RECV_HEADERS_END: 'HALF_CLOSED_REMOTE',
      RECV_DATA: 'OPEN',
      RECV_DATA_END: 'HALF_CLOSED_REMOTE',
      RECV_RST_STREAM: 'CLOSED_RESET_RECEIVED',
      RECV_WINDOW_UPDATE: 'OPEN',
      RECV_PUSH_PROMISE: 'OPEN',
      SEND_HEADERS: 'OPEN',
      SEND_HEADERS_END: 'HALF_CLOSED_LOCAL',
      SEND_DATA: 'OPEN',
      SEND_DATA_END: 'HALF_CLOSED_LOCAL',
      SEND_RST_STREAM: 'CLOSED_RESET_SENT',
      SEND_WINDOW_UPDATE: 'OPEN',
      SEND_PUSH_PROMISE: 'OPEN',
    },
    '-',
  ],
  HALF_CLOSED_LOCAL: [
    {
      RECV_HEADERS: 'HALF_CLOSED_LOCAL',
      RECV_HEADERS_END: 'CLOSED',
      RECV_DATA: 'HALF_CLOSED_LOCAL',
      RECV_DATA_END: 'CLOSED',
      RECV_RST_STREAM: 'CLOSED_RESET_RECEIVED',
      RECV_WINDOW_UPDATE: 'HALF_CLOSED_LOCAL',
      RECV_PUSH_PROMISE: 'HALF_CLOSED_LOCAL',
      SEND_RST_STREAM: 'CLOSED_RESET_SENT',
      SEND_WINDOW_UPDATE: 'HALF_CLOSED_LOCAL',
    },
    '-',
  ],
  HALF_CLOSED_REMOTE: [
    {
      RECV_RST_STREAM: 'CLOSED_RESET_RECEIVED',
      RECV_WINDOW_UPDATE: 'HALF_CLOSED_REMOTE',
      SEND_HEADERS: 'HALF_CLOSED_REMOTE',
      SEND_HEADERS_END: 'CLOSED',
      SEND_DATA: 'HALF_CLOSED_REMOTE',
      SEND_DATA_END: 'CLOSED',
      SEND_RST_STREAM: 'CLOSED_RESET_SENT',
      SEND_WINDOW_UPDATE: 'HALF_CLOSED_REMOTE',
      SEND_PUSH_PROMISE: 'HALF_CLOSED_REMOTE',
    },
    'frame-on-half-closed-stream',
  ],
  CLOSED: [{ RECV_RST_STREAM: 'IGNORED', RECV_WINDOW_UPDATE: 'IGNORED' }, 'frame-on-closed-stream'],
  CLOSED_RESET_RECEIVED: [{ RECV_RST_STREAM: 'IGNORED', RECV_WINDOW_UPDATE: 'IGNORED' }, 'frame-on-reset-stream'],
  CLOSED_RESET_SENT: [{}, 'IGNORED'],
  CLOSED_FORGOTTEN: [{}, 'IGNORED'],
  CLOSED_UNUSED: [
    { RECV_HEADERS: 'stream-id-not-increasing', RECV_HEADERS_END: 'stream-id-not-increasing' },
    'frame-on-idle-stream',
  ],
}

t.test('each state, each event', async t => {
  for (const [name, state] of STATES) {
    const [legal, otherReceived] = EXPECTED[name]!
    for (const [event, number] of EVENTS) {
      let expected = legal[event] ?? (event.startsWith('SEND') ? 'mistake' : otherReceived)
      if (legal[event] === undefined && event === 'RECV_PROMISED') expected = 'push-promise-stream-id'
      if (legal[event] === undefined && event === 'RECV_PUSH_PROMISE' && otherReceived !== 'IGNORED')
        expected = 'push-promise-state'
      t.equal(outcome(state, number), expected, `${name}, ${event}`)
    }
  }
})

t.test('scopes and codes', async t => {
  const caught = (state: number, event: number) => {
    try {
      transition(state, event, 5)
    } catch (error) {
      return error
    }
    return undefined
  }
  const half = caught(StreamState.HALF_CLOSED_REMOTE, StreamEvent.RECV_DATA)
  t.ok(half instanceof StreamError && half.code === Code.STREAM_CLOSED && half.streamId === 5)
  const reset = caught(StreamState.CLOSED_RESET_RECEIVED, StreamEvent.RECV_HEADERS)
  t.ok(reset instanceof StreamError && reset.code === Code.STREAM_CLOSED)
  const closed = caught(StreamState.CLOSED, StreamEvent.RECV_DATA_END)
  t.ok(closed instanceof ConnectionError && closed.code === Code.STREAM_CLOSED)
  const idle = caught(StreamState.IDLE, StreamEvent.RECV_DATA)
  t.ok(idle instanceof ConnectionError && idle.code === Code.PROTOCOL_ERROR)
  t.match(caught(StreamState.HALF_CLOSED_LOCAL, StreamEvent.SEND_DATA), {
    message: /SEND_DATA on stream 5, .*HALF_CLOSED_LOCAL/,
  })
})

t.test('a new stream', async t => {
  const token = (id: number, highest: number, role: 'server' | 'client') => {
    try {
      checkNewStream(id, highest, role)
    } catch (error) {
      return (error as ConnectionError).token
    }
    return undefined
  }
  t.equal(token(1, 0, 'server'), undefined)
  t.equal(token(2 ** 31 - 1, 5, 'server'), undefined)
  t.equal(token(2, 0, 'server'), 'even-stream-id')
  t.equal(token(5, 5, 'server'), 'stream-id-not-increasing')
  t.equal(token(3, 5, 'server'), 'stream-id-not-increasing')
  t.equal(token(2, 0, 'client'), 'frame-on-idle-stream')
})

t.test('closed streams', async t => {
  const closed = new ClosedStreams()
  t.equal(closed.stateOf(1, 0), StreamState.IDLE)
  t.equal(closed.stateOf(1, 5), StreamState.CLOSED_UNUSED)
  closed.add(3, StreamState.CLOSED_RESET_SENT)
  t.equal(closed.stateOf(3, 5), StreamState.CLOSED_RESET_SENT)
  t.equal(closed.stateOf(1, 5), StreamState.CLOSED_UNUSED)
  for (let id = 5; id < 5 + 2 * REMEMBERED_STREAMS; id += 2) closed.add(id, StreamState.CLOSED)
  t.equal(closed.stateOf(3, 1_000), StreamState.CLOSED_FORGOTTEN)
  t.equal(closed.stateOf(1, 1_000), StreamState.CLOSED_FORGOTTEN)
  t.equal(closed.stateOf(5, 1_000), StreamState.CLOSED)
})

t.test('a stream that was cancelled never costs the connection, whatever the number of others', async t => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(400))), streams => {
      const closed = new ClosedStreams()
      const cancelled: number[] = []
      const open: number[] = []
      let highest = -1
      for (const [cancel, pick] of streams.flatMap(stream => [stream, stream, stream])) {
        highest += 2
        open.push(highest)
        const [id] = open.splice(pick % open.length, 1)
        closed.add(id!, cancel ? StreamState.CLOSED_RESET_SENT : StreamState.CLOSED)
        if (cancel) cancelled.push(id!)
      }
      for (const id of cancelled) {
        if (transition(closed.stateOf(id, highest), StreamEvent.RECV_DATA, id) !== IGNORED) throw new Error(`${id}`)
      }
    }),
    { numRuns: 200 },
  )
  t.pass('200 runs')
})
