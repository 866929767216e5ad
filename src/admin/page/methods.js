/** Methods: how often they are called, how long they take, and how they fail. */
import { element, say } from './element.js'
import { count, milliseconds, rate } from './numbers.js'
import { method, Table } from './table.js'

function showFailures(cell, { failures }) {
  const text = Object.entries(failures)
    .filter(([, times]) => times > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([status, times]) => `${status} ${count(times)}`)
  if (cell.dataset.text === text.join()) return
  cell.dataset.text = text.join()
  cell.replaceChildren(...text.map(each => element('span', { class: 'status', text: each })))
}

const COLUMNS = [
  { title: 'Method', kind: 'name', fill: (cell, { method: path }) => method(cell, path) },
  { title: 'Backend', kind: 'words', text: ({ backend }) => backend || 'not routed' },
  { title: 'Calls/s', kind: 'number', text: ({ perSecond }) => rate(perSecond) },
  { title: 'Failed/s', kind: 'number broken', text: ({ failedPerSecond }) => rate(failedPerSecond) },
  { title: 'p50', kind: 'number', text: ({ latency }) => (latency === undefined ? '–' : milliseconds(latency.p50)) },
  { title: 'p99', kind: 'number', text: ({ latency }) => (latency === undefined ? '–' : milliseconds(latency.p99)) },
  { title: 'Calls in all', kind: 'number', text: ({ total }) => count(total) },
  { title: 'Failures in all, by status', kind: 'statuses', fill: showFailures },
]

export class Methods {
  #table = new Table('Methods', COLUMNS, 'No call has ended yet.')
  #off = element('p', {
    class: 'empty',
    text: 'Metrics are off in the configuration (metrics: false), so calls are not counted.',
  })
  #parent
  #note

  constructor(parent, note) {
    this.#parent = parent
    this.#note = note
  }

  show({ traffic, hasMetrics }) {
    const node = hasMetrics ? this.#table.node : this.#off
    if (this.#parent.firstElementChild !== node) this.#parent.replaceChildren(node)
    const { methods = [], methodCount = 0 } = traffic ?? {}
    say(
      this.#note,
      methods.length < methodCount ? `the ${methods.length} busiest of ${count(methodCount)}` : 'the busiest first',
    )
    this.#table.show(methods, ({ method: path, backend }) => `${path} ${backend}`)
  }
}
