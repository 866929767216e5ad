/** Where clients connect. */
import { count } from './numbers.js'
import { Table } from './table.js'

const COLUMNS = [
  { title: 'Address', kind: 'name', text: ({ address }) => address || 'connections that the host accepted' },
  { title: 'Speaks', kind: 'words', text: ({ tls }) => (tls ? 'HTTP/2 over TLS' : 'HTTP/2 without TLS') },
  { title: 'Transport', kind: 'words', text: ({ transport }) => transport },
  { title: 'Connections', kind: 'number', text: ({ connections }) => count(connections) },
  { title: 'Sessions', kind: 'number', text: ({ sessions }) => count(sessions) },
  { title: 'State', kind: 'words', text: ({ draining }) => (draining ? 'drains' : 'accepts') },
]

export class Listeners {
  #table = new Table('Listeners', COLUMNS, 'No listener is open.')

  constructor(parent) {
    parent.append(this.#table.node)
  }

  show({ listeners }) {
    this.#table.show(listeners, ({ address, draining }) => `${address} ${draining}`)
  }
}
