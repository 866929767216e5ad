/**
 * Elements without markup. Texts come from clients and backends, which may be hostile: they become text nodes, and nothing
 * here makes an element of a text.
 */

/**
 * @param of names of attributes with their values; `text` is a text inside
 */
export function element(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name)
  for (const [attribute, value] of Object.entries(attributes))
    if (value !== undefined) made.setAttribute(attribute, value)
  if (text !== undefined) made.append(text)
  made.append(...children.filter(child => child !== undefined))
  return made
}

const SVG = 'http://www.w3.org/2000/svg'

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  made.append(...children)
  return made
}

/** Where nothing changes, nothing is touched: a selection stays, and a screen reader is quiet. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text
}

export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown
}

/** Children of an element that stand for things with keys: what is there is kept, and put in order. */
export class Keyed {
  #parent
  #make
  #fill
  #known = new Map()

  /** @param make from a thing to what `fill` gets with it, with the element as `node` */
  constructor(parent, make, fill) {
    this.#parent = parent
    this.#make = make
    this.#fill = fill
  }

  show(things, keyOf) {
    const before = this.#known
    this.#known = new Map()
    let next = this.#parent.firstElementChild
    for (const thing of things) {
      let key = keyOf(thing)
      while (this.#known.has(key)) key = `${key}\n`
      const parts = before.get(key) ?? this.#make(thing)
      before.delete(key)
      this.#known.set(key, parts)
      this.#fill(parts, thing)
      if (parts.node === next) next = next.nextElementSibling
      else this.#parent.insertBefore(parts.node, next)
    }
    for (const { node } of before.values()) node.remove()
  }
}
