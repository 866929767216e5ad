/** Backends with their endpoints: what is used, how much, and what speaks against the others. */
import { element, Keyed, say, show } from './element.js'
import { count, duration, percent, rate } from './numbers.js'
import { Table } from './table.js'

/** Told by a word and a shape, not by colour alone. */
function stateOf({ usable, inUse, state, reasons }) {
  if (reasons.some(({ by }) => by === 'retiring')) return ['leaving', 'leaving']
  if (!usable) return ['down', inUse ? 'failing' : 'not used']
  if (state === 'connecting') return ['connecting', 'connecting']
  return inUse ? ['up', 'in use'] : ['spare', 'spare']
}

function showState(cell, endpoint, row) {
  const [state, text] = stateOf(endpoint)
  if (cell.firstElementChild === null) cell.append(element('span', { class: 'mark' }), element('span'))
  row.dataset.state = state
  cell.firstElementChild.dataset.state = state
  say(cell.lastElementChild, text)
}

function showShare(cell, { share }) {
  if (cell.firstElementChild === null) cell.append(element('span', { class: 'bar' }, element('span')), element('span'))
  cell.firstElementChild.firstElementChild.style.width = `${(share ?? 0) * 100}%`
  say(cell.lastElementChild, share === undefined ? '–' : percent(share))
}

function against({ reasons, lastError, usable }) {
  if (!usable) return reasons.map(({ by, text }) => (by === 'connect' ? text : `${by}: ${text}`)).join('; ')
  return lastError === undefined ? '' : `${duration(lastError.agoMs)} ago: ${lastError.text}`
}

const COLUMNS = [
  { title: 'State', kind: 'state', fill: showState },
  { title: 'Endpoint', kind: 'name', text: ({ address }) => address },
  { title: 'Share', kind: 'share', fill: showShare },
  { title: 'Calls/s', kind: 'number', text: ({ perSecond }) => rate(perSecond) },
  { title: 'Broken/s', kind: 'number broken', text: ({ brokenPerSecond }) => rate(brokenPerSecond) },
  { title: 'In flight', kind: 'number', text: ({ calls }) => count(calls) },
  { title: 'Sessions', kind: 'number', text: ({ sessionCount }) => count(sessionCount) },
  { title: 'Last trouble', kind: 'words', text: against },
]

function make({ name }) {
  const [title, facts, problem] = [
    element('h3', { text: name }),
    element('p', { class: 'facts' }),
    element('p', { class: 'problem' }),
  ]
  const more = element('p', { class: 'more' })
  const table = new Table(`Endpoints of ${name}`, COLUMNS, 'It has no endpoint: calls fail with UNAVAILABLE.')
  const node = element('article', { class: 'backend' }, element('header', {}, title, facts), problem, table.node, more)
  return { node, facts, problem, table, more }
}

function fill({ node, facts, problem, table, more }, backend) {
  const { usableCount, endpointCount, waiting, calls, sessions, balancer, source, endpoints, retiring } = backend
  node.dataset.state = usableCount === 0 ? 'down' : usableCount < endpointCount ? 'partly' : 'up'
  const usable =
    usableCount === endpointCount
      ? `all ${count(endpointCount)} usable`
      : `${count(usableCount)} of ${count(endpointCount)} usable`
  const parts = [
    usable,
    `${count(calls)} in flight`,
    waiting > 0 && `${count(waiting)} queued`,
    `${count(sessions)} sessions`,
    balancer,
    source !== 'list' && source,
  ]
  say(facts, [...parts, retiring && 'removed, finishes its calls'].filter(Boolean).join(' · '))
  const { sourceProblem } = backend
  show(problem, sourceProblem !== undefined)
  say(
    problem,
    sourceProblem === undefined
      ? ''
      : `${sourceProblem.kind === 'lost' ? 'Its source does not answer' : 'Not all of its list is used'}: ${sourceProblem.text}`,
  )
  table.show(endpoints, ({ address }) => address)
  const left = endpointCount - endpoints.length
  show(more, left > 0)
  say(more, `and ${count(left)} more: /state?backend=${encodeURIComponent(backend.name)} has all of them`)
}

export class Backends {
  #all
  #note
  #empty

  constructor(parent, note) {
    this.#all = new Keyed(parent, make, fill)
    this.#note = note
    this.#empty = element('p', { class: 'empty', text: 'There is none: a director in code makes them as calls come.' })
    parent.after(this.#empty)
  }

  show({ backends, backendCount }) {
    show(this.#empty, backends.length === 0)
    const down = backends.filter(({ usableCount }) => usableCount === 0).length
    const shown =
      backends.length < backendCount ? `${count(backends.length)} of ${count(backendCount)} shown` : count(backendCount)
    say(this.#note, down === 0 ? shown : `${shown}, of which ${count(down)} ${down === 1 ? 'is' : 'are'} down`)
    this.#all.show(backends, ({ name, retiring }) => `${name} ${retiring}`)
  }
}
