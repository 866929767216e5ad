/**
 * A chart of some numbers over the last two minutes, with axes that can be read: SVG, in the pixels that there are. Arrow
 * keys, and a pointer, go through its moments.
 */
import { element, say, svg } from './element.js'
import { HISTORY_MS } from './history.js'
import { clock } from './numbers.js'

const HEIGHT = 132
const LEFT = 52
const RIGHT = 10
const TOP = 10
const BOTTOM = 22
/** Two events that are further apart were not neighbours: the line has a gap. */
const GAP_MS = 3_500

/** The least round number that is no less, so that half of it is round too. */
function roundUp(value) {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  for (const step of [1, 2, 4, 5, 6, 8]) if (step * power >= value) return step * power
  return 10 * power
}

export class Chart {
  node
  #title
  #series
  #format
  #least
  #svg = svg('svg', { 'aria-hidden': 'true' })
  #reading = element('p', { class: 'reading', 'aria-live': 'polite' })
  #samples = []
  #nowMs = 0
  /** The moment that is looked at; undefined: none. */
  #atMs

  /**
   * @param series each with the `name` of its number, a `title`, and `look`: `area` or `line`, and the class of its colour
   * @param least the top of the axis is no lower
   */
  constructor(title, series, format, least) {
    this.#title = title
    this.#series = series
    this.#format = format
    this.#least = least
    const keys = series.map(({ title, tone }) => element('li', { class: tone, text: title }))
    this.node = element('figure', { class: 'chart', tabindex: '0', role: 'img' }, this.#svg, this.#reading)
    if (keys.length > 1) this.node.append(element('ul', { class: 'keys', 'aria-hidden': 'true' }, ...keys))
    this.node.addEventListener('pointermove', event => this.#look(this.#timeAt(event)))
    this.node.addEventListener('pointerleave', () => this.#look(undefined))
    this.node.addEventListener('blur', () => this.#look(undefined))
    this.node.addEventListener('keydown', event => this.#step(event))
    new ResizeObserver(() => this.#draw()).observe(this.node)
  }

  show(samples, nowMs) {
    this.#samples = samples
    this.#nowMs = nowMs
    this.#draw()
  }

  get #width() {
    return Math.max(160, this.node.clientWidth)
  }

  #x(atMs) {
    return LEFT + (1 - (this.#nowMs - atMs) / HISTORY_MS) * (this.#width - LEFT - RIGHT)
  }

  #timeAt({ clientX }) {
    const { left } = this.#svg.getBoundingClientRect()
    return this.#nowMs - (1 - (clientX - left - LEFT) / (this.#width - LEFT - RIGHT)) * HISTORY_MS
  }

  #look(atMs) {
    this.#atMs = atMs
    this.#draw()
  }

  #step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (by === undefined || this.#samples.length === 0) return
    event.preventDefault()
    const last = this.#samples.length - 1
    const at = this.#atMs === undefined ? last : this.#nearest(this.#atMs) + by
    this.#look(this.#samples[Math.min(last, Math.max(0, at))].atMs)
  }

  #nearest(atMs) {
    let nearest = 0
    for (const [i, sample] of this.#samples.entries())
      if (Math.abs(sample.atMs - atMs) <= Math.abs(this.#samples[nearest].atMs - atMs)) nearest = i
    return nearest
  }

  #draw() {
    const width = this.#width
    const highest = Math.max(0, ...this.#samples.flatMap(sample => this.#series.map(({ name }) => sample[name] ?? 0)))
    const top = Math.max(roundUp(highest), this.#least)
    const y = value => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM)
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`)
    this.#svg.setAttribute('height', HEIGHT)
    const lines = this.#series.flatMap(series => this.#lineOf(series, y))
    this.#svg.replaceChildren(...this.#axes(width, top, y), ...lines, ...this.#cross(y))
    this.#tell(highest)
  }

  #axes(width, top, y) {
    const across = [0, top / 2, top].flatMap(value => [
      svg('line', { class: value === 0 ? 'base' : 'grid', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      svg('text', { class: 'tick', x: LEFT - 8, y: y(value) + 4, 'text-anchor': 'end' }, this.#format(value)),
    ])
    const along = [
      [0, 'now', 'end'],
      ...(width < 260 ? [] : [[60_000, '1 min', 'middle']]),
      [HISTORY_MS, '2 min ago', 'start'],
    ].map(([agoMs, text, anchor]) =>
      svg('text', { class: 'tick', x: this.#x(this.#nowMs - agoMs), y: HEIGHT - 5, 'text-anchor': anchor }, text),
    )
    return [...across, ...along]
  }

  /** The parts of the line between gaps. */
  #runs(name) {
    const runs = []
    let lastMs = Number.NEGATIVE_INFINITY
    for (const { atMs, [name]: value } of this.#samples) {
      if (value === undefined) continue
      if (atMs - lastMs > GAP_MS) runs.push([])
      runs.at(-1).push([this.#x(atMs), value])
      lastMs = atMs
    }
    return runs
  }

  #lineOf({ name, look, tone }, y) {
    return this.#runs(name).flatMap(run => {
      const points = run.map(([x, value]) => `${x.toFixed(1)},${y(value).toFixed(1)}`)
      if (points.length === 1) return [svg('circle', { class: `dot ${tone}`, cx: run[0][0], cy: y(run[0][1]), r: 2 })]
      const line = svg('polyline', { class: `line ${tone}`, points: points.join(' ') })
      if (look !== 'area') return [line]
      const [from, to] = [run[0][0].toFixed(1), run.at(-1)[0].toFixed(1)]
      const area = `${from},${y(0)} ${points.join(' ')} ${to},${y(0)}`
      return [svg('polygon', { class: `area ${tone}`, points: area }), line]
    })
  }

  #cross(y) {
    if (this.#atMs === undefined || this.#samples.length === 0) return []
    const sample = this.#samples[this.#nearest(this.#atMs)]
    const x = this.#x(sample.atMs)
    const dots = this.#series
      .filter(({ name }) => sample[name] !== undefined)
      .map(({ name, tone }) => svg('circle', { class: `dot ${tone}`, cx: x, cy: y(sample[name]), r: 3.5 }))
    return [svg('line', { class: 'cross', x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }), ...dots]
  }

  #tell(highest) {
    const last = this.#samples.at(-1)
    const textOf = sample =>
      this.#series.map(({ name, title }) => `${title} ${sample[name] === undefined ? '–' : this.#format(sample[name])}`)
    const now = last === undefined ? 'nothing yet' : `now ${textOf(last).join(', ')}; highest ${this.#format(highest)}`
    this.node.setAttribute('aria-label', `${this.#title}, the last two minutes: ${now}. Arrow keys go through it.`)
    const looked = this.#atMs !== undefined && last !== undefined
    const sample = looked ? this.#samples[this.#nearest(this.#atMs)] : undefined
    say(this.#reading, sample === undefined ? '' : `${clock(sample.atMs)}  ${textOf(sample).join('  ')}`)
  }
}

/** The same without axes, for a number beside which it stands. */
export class Sparkline {
  node = svg('svg', { class: 'spark', viewBox: '0 0 100 24', preserveAspectRatio: 'none', 'aria-hidden': 'true' })

  show(samples, name, nowMs, least) {
    const known = samples.filter(sample => sample[name] !== undefined)
    const top = Math.max(least, ...known.map(sample => sample[name]))
    const points = known.map(sample => {
      const x = 100 - ((nowMs - sample.atMs) / HISTORY_MS) * 100
      return `${x.toFixed(1)},${(23 - (sample[name] / top) * 22).toFixed(1)}`
    })
    this.node.replaceChildren(svg('polyline', { points: points.join(' ') }))
  }
}
