/** A table whose rows stay where they are while their numbers change; on a narrow screen each row is a block. */
import { element, Keyed, say, show } from './element.js'

/**
 * A column: `title`; `kind`, which is also the cell's class; and `fill`, which puts what it shows into a cell. Where that is
 * only a text, `text` makes it.
 */
export class Table {
  node
  #scroller
  #empty
  #rows

  /** @param label says what it lists. @param empty what is said when there is nothing */
  constructor(label, columns, empty) {
    const head = element(
      'tr',
      {},
      ...columns.map(({ title, kind }) => element('th', { scope: 'col', class: kind, text: title })),
    )
    const body = element('tbody')
    const table = element('table', { 'aria-label': label }, element('thead', {}, head), body)
    // Whoever has no pointer scrolls it by the keyboard.
    this.#scroller = element('div', { class: 'scroller', tabindex: '0', role: 'region', 'aria-label': label }, table)
    this.#empty = element('p', { class: 'empty', text: empty })
    this.node = element('div', {}, this.#scroller, this.#empty)
    const make = () => {
      const cells = columns.map(({ title, kind }) => element('td', { class: kind, 'data-title': title }))
      return { node: element('tr', {}, ...cells), cells }
    }
    this.#rows = new Keyed(body, make, ({ node, cells }, thing) => {
      for (const [i, { text, fill }] of columns.entries()) {
        if (fill === undefined) say(cells[i], text(thing))
        else fill(cells[i], thing, node)
      }
    })
  }

  show(things, keyOf) {
    show(this.#scroller, things.length > 0)
    show(this.#empty, things.length === 0)
    this.#rows.show(things, keyOf)
  }
}

/** A path as its two parts: the method is what differs. */
export function method(cell, path) {
  if (cell.dataset.path === path) return
  cell.dataset.path = path
  const slash = path.lastIndexOf('/')
  const [service, name] = slash > 0 ? [path.slice(1, slash), path.slice(slash + 1)] : ['', path]
  cell.replaceChildren(
    element('span', { class: 'path' }, element('b', { text: name }), element('small', { text: service })),
  )
}
