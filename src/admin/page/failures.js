/** The latest calls that failed: who ended them, and why. */
import { element, say } from './element.js'
import { clock, count, milliseconds } from './numbers.js'
import { method, Table } from './table.js'

function showStatus(cell, { status, times }) {
  if (cell.firstElementChild === null)
    cell.append(element('span', { class: 'status' }), element('span', { class: 'times' }))
  say(cell.firstElementChild, status)
  say(cell.lastElementChild, times === 1 ? '' : `× ${count(times)}`)
}

function why({ message, reason, cause }) {
  const parts = [message || reason, cause].filter(text => text !== '')
  return parts.join(' — ') || 'the backend gave no reason'
}

const COLUMNS = [
  { title: 'At', kind: 'time', text: ({ atMs }) => clock(atMs) },
  { title: 'Status', kind: 'statuses', fill: showStatus },
  { title: 'Method', kind: 'name', fill: (cell, { path }) => method(cell, path) },
  { title: 'Ended by', kind: 'words', text: ({ endedBy }) => endedBy },
  { title: 'Why', kind: 'words why', text: why },
  { title: 'After', kind: 'number', text: ({ durationMs }) => milliseconds(durationMs) },
  { title: 'Client', kind: 'place', text: ({ peer }) => peer },
  { title: 'Endpoint', kind: 'place', text: ({ endpoint, backend }) => endpoint || backend || '–' },
]

export class Failures {
  #table = new Table('Latest failures', COLUMNS, 'No call has failed since this proxy began.')
  #note

  constructor(parent, note) {
    parent.append(this.#table.node)
    this.#note = note
  }

  show({ failures }) {
    say(this.#note, failures.length === 0 ? '' : 'the same of one client is one line')
    this.#table.show(failures, ({ path, status, reason, backend, endpoint, peer }) =>
      [path, status, reason, backend, endpoint, peer.replace(/:\d+$/, '')].join(' '),
    )
  }
}
