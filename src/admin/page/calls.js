/** Calls in flight, the oldest first, with what each waits for. */
import { say } from './element.js'
import { bytes, count, duration } from './numbers.js'
import { method, Table } from './table.js'

const WAITS = {
  director: 'the director, which has not answered',
  queue: 'a stream of the backend',
  'backend-window': 'the backend to take more',
  'client-window': 'the client to take more',
  backend: "the backend's answer",
  messages: 'the next message of either',
  retry: 'its next attempt',
  client: 'the client to end its request',
}

/** Something is in the way, so it is shown as such. */
const HELD = new Set(['director', 'queue', 'backend-window', 'client-window'])

function waits({ waitsFor, heldBackBy, requestWaitingBytes, responseWaitingBytes }) {
  const held =
    heldBackBy === undefined
      ? ''
      : heldBackBy === 'socket'
        ? ', its socket is full'
        : `, window of the ${heldBackBy} is closed`
  const waiting =
    waitsFor === 'client-window' ? responseWaitingBytes : waitsFor === 'backend-window' ? requestWaitingBytes : 0
  return `${WAITS[waitsFor] ?? waitsFor}${held}${waiting === 0 ? '' : `, ${bytes(waiting)} wait`}`
}

const COLUMNS = [
  { title: 'Age', kind: 'number', text: ({ ageMs }) => (ageMs === undefined ? '–' : duration(ageMs)) },
  { title: 'Method', kind: 'name', fill: (cell, { path }) => method(cell, path) },
  {
    title: 'Waits for',
    kind: 'words waits',
    fill(cell, call, row) {
      row.dataset.held = HELD.has(call.waitsFor)
      say(cell, waits(call))
    },
  },
  {
    title: 'Deadline',
    kind: 'number',
    text: ({ deadlineInMs }) => (deadlineInMs === undefined ? 'none' : `in ${duration(Math.max(0, deadlineInMs))}`),
  },
  {
    title: 'Messages',
    kind: 'number',
    text: ({ requestMessages: asked, responseMessages: told }) =>
      asked === undefined ? '–' : `${count(asked)} / ${count(told)}`,
  },
  { title: 'Client', kind: 'place', text: ({ peer }) => peer },
  { title: 'Endpoint', kind: 'place', text: ({ endpoint, backend }) => endpoint || backend || '–' },
]

export class Calls {
  #table = new Table('Calls in flight', COLUMNS, 'No call is in flight.')
  #note

  constructor(parent, note) {
    parent.append(this.#table.node)
    this.#note = note
  }

  show({ calls, counts }) {
    say(
      this.#note,
      calls.length < counts.calls ? `the ${calls.length} oldest of ${count(counts.calls)}` : 'the oldest first',
    )
    this.#table.show(calls, ({ peer, path }) => `${peer} ${path}`)
  }
}
