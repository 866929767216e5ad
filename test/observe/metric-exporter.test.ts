/** Readings on their way to a collector that may be slow, frozen, or gone. */
import t from 'tap'
import {
  type MetricDestination,
  MetricExporter,
  type MetricExporterContext,
  type MetricTrouble,
} from '../../src/observe/metric-exporter.ts'
import type { PostOutcome } from '../../src/observe/otlp-client.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { linesIn, resourceIn } from '../support/metrics-collector.ts'

const TAKEN: PostOutcome = { kind: 'taken', rejected: 0, why: '' }
const INTERVAL_MS = 10_000

/** A collector whose answers a test gives. */
class Collector implements MetricDestination {
  readonly bodies: string[] = []
  isClosed = false
  #answer: ((outcome: PostOutcome) => void) | undefined

  post(body: string): Promise<PostOutcome> {
    if (this.isClosed) return Promise.resolve({ kind: 'refused', why: 'the proxy ends' })
    this.bodies.push(body)
    return new Promise(resolve => {
      this.#answer = resolve
    })
  }

  close(): void {
    this.isClosed = true
    this.#answer?.({ kind: 'later', afterMs: undefined, why: 'the proxy ends' })
  }

  async answers(outcome: PostOutcome): Promise<void> {
    this.#answer!(outcome)
    await settled()
  }

  get counts(): unknown[] {
    return this.bodies.map(body => linesIn(body).get('reads_total'))
  }
}

/** Everything that promises lead to has happened. */
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function scene(context: Partial<MetricExporterContext> = {}) {
  const clock = new FakeClock()
  const collector = new Collector()
  const told: MetricTrouble[] = []
  let reads = 0
  const exporter = new MetricExporter({
    clock,
    date: () => 1_700_000_000_000,
    startMs: 1_600_000_000_000,
    read: () => [{ name: 'reads', help: '', type: 'counter', samples: [{ value: ++reads }] }],
    onTrouble: trouble => told.push(trouble),
    ...context,
  })
  exporter.update({ destination: collector, intervalMs: INTERVAL_MS, resource: { a: 'b' } })
  const pass = async (ms: number) => {
    clock.advance(ms)
    await settled()
  }
  return { clock, collector, told, exporter, pass }
}

t.test('a reading in each interval, each made when it is sent', async t => {
  const { collector, exporter, pass } = scene()
  await pass(INTERVAL_MS - 1)
  t.same(collector.counts, [])
  await pass(1)
  t.same(collector.counts, [1])
  t.same(resourceIn(collector.bodies[0]!), { a: 'b' })
  await collector.answers(TAKEN)
  await pass(INTERVAL_MS)
  t.same(collector.counts, [1, 2])
  await collector.answers(TAKEN)
  t.same(exporter.totals, { exported: 2, dropped: 0, rejectedPoints: 0 })
})

t.test('a collector that stands still: one request, one line a minute, and what is lost is counted', async t => {
  const { collector, exporter, told, pass } = scene()
  for (let i = 0; i < 20; i++) await pass(INTERVAL_MS)
  t.same(collector.counts, [1], 'the others were not even read')
  t.same(exporter.totals, { exported: 0, dropped: 19, rejectedPoints: 0 })
  const why = 'it has not answered to the one before'
  t.same(told, [
    { why, dropped: 1, rejectedPoints: 0 },
    ...[6, 6, 6].map(dropped => ({ why, dropped, rejectedPoints: 0 })),
  ])
  await collector.answers(TAKEN)
  await pass(INTERVAL_MS)
  t.same(collector.counts, [1, 2], 'it goes on')
})

t.test('what is not taken is not sent again: the next reading has all of it', async t => {
  const { collector, exporter, told, pass } = scene()
  for (const kind of ['later', 'refused'] as const) {
    await pass(INTERVAL_MS)
    await collector.answers({ kind, afterMs: undefined, why: `HTTP ${kind}` } as PostOutcome)
  }
  await pass(INTERVAL_MS)
  await collector.answers({ kind: 'taken', rejected: 1, why: 'too old' })
  t.same(collector.counts, [1, 2, 3])
  t.same(exporter.totals, { exported: 1, dropped: 2, rejectedPoints: 1 })
  t.same(told, [{ why: 'HTTP later', dropped: 1, rejectedPoints: 0 }])
  await pass(4 * INTERVAL_MS)
  await collector.answers({ kind: 'taken', rejected: 0, why: 'a warning' })
  t.same(told[1], { why: 'it has not answered to the one before', dropped: 4, rejectedPoints: 1 })
})

t.test('a collector that asks for a pause gets one', async t => {
  const { collector, exporter, pass } = scene()
  await pass(INTERVAL_MS)
  await collector.answers({ kind: 'later', afterMs: 2.5 * INTERVAL_MS, why: 'HTTP 429' })
  for (let i = 0; i < 3; i++) await pass(INTERVAL_MS)
  t.same(collector.counts, [1, 2])
  t.same(exporter.totals.dropped, 3)
})

t.test('metrics that cannot be read cost that reading', async t => {
  const { collector, exporter, told, pass } = scene({ read: () => Promise.reject(new Error('no worker is ready')) })
  await pass(INTERVAL_MS)
  await pass(INTERVAL_MS)
  t.same(collector.bodies, [])
  t.equal(exporter.totals.dropped, 2)
  t.match(told, [{ why: 'no worker is ready' }])
})

t.test('the end sends the last reading, and gives it up after a while', async t => {
  const one = scene()
  const closed = one.exporter.close(3_000)
  await settled()
  t.same(one.collector.counts, [1])
  await one.collector.answers(TAKEN)
  await closed
  t.same([one.clock.pending, one.collector.isClosed, one.told], [0, true, []])

  const busy = scene()
  await busy.pass(INTERVAL_MS)
  const last = busy.exporter.close(3_000)
  await busy.collector.answers(TAKEN)
  t.same(busy.collector.counts, [1, 2], 'after the one that is under way')
  await busy.collector.answers(TAKEN)
  await last
  t.equal(busy.exporter.totals.exported, 2)

  const frozen = scene()
  await frozen.pass(INTERVAL_MS)
  const given = frozen.exporter.close(3_000)
  await frozen.pass(3_000)
  await given
  t.same(frozen.told, [{ why: 'the proxy ends', dropped: 2, rejectedPoints: 0 }])
  t.equal(frozen.clock.pending, 0)
})

t.test('another destination, and none', async t => {
  const { clock, collector, exporter, told, pass } = scene()
  await pass(INTERVAL_MS)
  const next = new Collector()
  exporter.update({ destination: next, intervalMs: 1_000, resource: {} })
  await settled()
  t.ok(collector.isClosed)
  t.match(told, [{ why: 'the configuration has changed', dropped: 1 }])
  await pass(1_000)
  t.same(next.counts, [2])
  exporter.update(undefined)
  await settled()
  t.equal(clock.pending, 0, 'without a destination nothing waits for time')
  await exporter.close(3_000)
  t.same(next.counts, [2])
})
