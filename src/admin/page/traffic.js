/** Calls, latencies and what the process uses: three charts, and figures below them. */
import { Chart, Sparkline } from './chart.js'
import { element, say } from './element.js'
import { bytes, count, milliseconds, percent, rate } from './numbers.js'

const NONE = '–'

function tile(title, chart) {
  const [main, sub] = [element('p', { class: 'main' }), element('p', { class: 'sub' })]
  const node = element(
    'article',
    { class: 'tile' },
    element('h3', { text: title }),
    element('div', { class: 'now' }, main, sub),
    chart.node,
  )
  return { node, main, sub, chart }
}

function figure(title, spark) {
  const value = element('dd', { class: 'value' })
  const note = element('dd', { class: 'note' })
  const node = element(
    'div',
    {},
    element('dt', { text: title }),
    value,
    note,
    spark && element('dd', { class: 'line' }, spark.node),
  )
  return { node, value, note, spark }
}

export class Traffic {
  #calls = tile(
    'Calls',
    new Chart(
      'Calls a second',
      [
        { name: 'calls', title: 'ended', look: 'area', tone: 'good' },
        { name: 'failed', title: 'failed', look: 'line', tone: 'bad' },
      ],
      rate,
      1,
    ),
  )
  #latency = tile(
    'Latency',
    new Chart(
      'Latency',
      [
        { name: 'p99', title: 'p99', look: 'line', tone: 'p99' },
        { name: 'p90', title: 'p90', look: 'line', tone: 'p90' },
        { name: 'p50', title: 'p50', look: 'line', tone: 'p50' },
      ],
      milliseconds,
      1,
    ),
  )
  #inFlight = tile(
    'In flight',
    new Chart(
      'Calls in flight',
      [
        { name: 'inFlight', title: 'in flight', look: 'area', tone: 'good' },
        { name: 'queued', title: 'queued', look: 'line', tone: 'wait' },
      ],
      count,
      4,
    ),
  )
  #bytes = figure('Bytes a second')
  #clients = figure('Sessions')
  #cores = figure('CPU', new Sparkline())
  #loop = figure('Event loop', new Sparkline())
  #delay = figure('Loop delay, p99', new Sparkline())
  #memory = figure('Memory', new Sparkline())

  constructor(charts, figures) {
    charts.append(this.#calls.node, this.#latency.node, this.#inFlight.node)
    for (const { node } of [this.#bytes, this.#clients, this.#cores, this.#loop, this.#delay, this.#memory])
      figures.append(node)
  }

  show({ atMs, counts, traffic, process, hasMetrics }, samples) {
    for (const { chart } of [this.#calls, this.#latency, this.#inFlight]) chart.show(samples, atMs)
    this.#showCalls(traffic, hasMetrics)
    say(this.#inFlight.main, count(counts.calls))
    say(this.#inFlight.sub, counts.waitingCalls === 0 ? 'none queued' : `${count(counts.waitingCalls)} queued`)
    say(this.#clients.value, `${count(counts.clientSessions)} / ${count(counts.backendSessions)}`)
    say(this.#clients.note, 'of clients / to backends')
    this.#showProcess(process, samples, atMs)
  }

  #showCalls(traffic, hasMetrics) {
    const off = hasMetrics ? '' : 'metrics are off in the configuration'
    if (traffic === undefined) {
      for (const { main, sub } of [this.#calls, this.#latency]) [say(main, NONE), say(sub, off)]
      return [say(this.#bytes.value, NONE), say(this.#bytes.note, off)]
    }
    const { perSecond, failedPerSecond, latency, total, failed } = traffic
    say(this.#calls.main, `${rate(perSecond)} /s`)
    const now =
      failedPerSecond === 0 ? 'none fail' : `${rate(failedPerSecond)} /s fail, ${percent(failedPerSecond / perSecond)}`
    say(this.#calls.sub, `${now} · ${count(total)} in all, ${count(failed)} failed`)
    this.#calls.node.classList.toggle('fails', failedPerSecond > 0)
    say(this.#latency.main, latency === undefined ? NONE : milliseconds(latency.p50))
    const slow = latency && `p90 ${milliseconds(latency.p90)} · p99 ${milliseconds(latency.p99)}`
    say(this.#latency.sub, slow === undefined ? 'no call ended in the last ten seconds' : `median · ${slow}`)
    say(this.#bytes.value, bytes(traffic.requestBytesPerSecond + traffic.responseBytesPerSecond))
    say(
      this.#bytes.note,
      `${bytes(traffic.requestBytesPerSecond)} to backends, ${bytes(traffic.responseBytesPerSecond)} back`,
    )
  }

  #showProcess(process, samples, atMs) {
    const all = [this.#cores, this.#loop, this.#delay, this.#memory]
    if (process === undefined) {
      for (const { value, note } of all) [say(value, NONE), say(note, '')]
      return
    }
    const { cores, loopUse, loopDelayMs, processes } = process
    say(this.#cores.value, `${cores.toFixed(2)}`)
    say(this.#cores.note, processes === 1 ? 'cores' : `cores, ${processes} processes`)
    say(this.#loop.value, percent(loopUse))
    say(this.#loop.note, processes === 1 ? 'of the time it works' : 'of the busiest works')
    say(this.#delay.value, loopDelayMs === undefined ? NONE : milliseconds(loopDelayMs.p99))
    say(this.#delay.note, loopDelayMs === undefined ? '' : `median ${milliseconds(loopDelayMs.p50)}`)
    say(this.#memory.value, bytes(process.residentBytes))
    say(this.#memory.note, `heap ${bytes(process.heapUsedBytes)} of ${bytes(process.heapTotalBytes)}`)
    this.#cores.spark.show(samples, 'cores', atMs, 1)
    this.#loop.spark.show(samples, 'loopUse', atMs, 1)
    this.#delay.spark.show(samples, 'loopDelay', atMs, 10)
    this.#memory.spark.show(samples, 'memory', atMs, 1)
  }
}
