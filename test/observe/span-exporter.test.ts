/** Spans on their way to a collector that may be slow, gone, or full. */
import t from 'tap'
import type { PostOutcome } from '../../src/observe/otlp-client.ts'
import { SpanExporter, type SpanExporterOptions } from '../../src/observe/span-exporter.ts'
import { FakeClock } from '../support/fake-clock.ts'

const TAKEN: PostOutcome = { kind: 'taken', rejected: 0, why: '' }
const LATER: PostOutcome = { kind: 'later', afterMs: undefined, why: 'HTTP 503' }

/** A collector whose answers a test gives. */
class Collector {
  readonly bodies: string[] = []
  closed = false
  #answer: ((outcome: PostOutcome) => void) | undefined

  post(body: string): Promise<PostOutcome> {
    this.bodies.push(body)
    return new Promise(resolve => {
      this.#answer = resolve
    })
  }

  close(): void {
    this.closed = true
    this.#answer?.({ kind: 'later', afterMs: undefined, why: 'the proxy ends' })
  }

  async answers(outcome: PostOutcome): Promise<void> {
    this.#answer!(outcome)
    await settled()
  }
}

/** Everything that promises lead to has happened. */
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function scene(options: Partial<SpanExporterOptions> = {}) {
  const clock = new FakeClock()
  const collector = new Collector()
  const told: [why: string, dropped: number][] = []
  const exporter = new SpanExporter(
    {
      maxQueuedSpans: 2048,
      maxQueuedBytes: 1e6,
      intervalMs: 5_000,
      destination: collector,
      envelope: ['[', ']'],
      ...options,
    },
    { clock, random: () => 0.5, onTrouble: (...trouble) => told.push(trouble) },
  )
  const add = (count: number, length = 10) => exporter.add(new Array<string>(count).fill('s'.repeat(length)))
  return { clock, collector, told, exporter, add }
}

t.test('spans wait for others, and go together', async t => {
  const { clock, collector, exporter } = scene()
  exporter.add(['1', '2'])
  clock.advance(4_999)
  exporter.add(['3'])
  t.same(collector.bodies, [])
  clock.advance(1)
  t.same(collector.bodies, ['[1,2,3]'])
  await collector.answers(TAKEN)
  t.same(exporter.queued, { spans: 0, bytes: 0 })
  t.same(exporter.totals, { exported: 3, dropped: 0 })
  t.equal(clock.pending, 0, 'without spans nothing waits for time')
})

t.test('a whole batch goes at once; what comes meanwhile follows', async t => {
  const { collector, exporter, add } = scene()
  add(600)
  t.equal(collector.bodies[0]!.split(',').length, 512)
  add(5)
  await collector.answers(TAKEN)
  t.equal(collector.bodies[1]!.split(',').length, 93)
  await collector.answers(TAKEN)
  t.equal(exporter.totals.exported, 605)
  const large = scene()
  large.add(20, 100_000)
  t.equal(large.collector.bodies.length, 0, 'too many bytes for what may wait: none of them')
  const other = scene({ maxQueuedBytes: 4e6 })
  other.add(20, 100_000)
  other.clock.advance(5_000)
  t.equal(other.collector.bodies[0]!.split(',').length, 11, 'a batch has a bound in bytes, too')
})

t.test('a collector that says "later" gets the same again, after longer and longer, or after what it says', async t => {
  const { clock, collector, exporter } = scene()
  exporter.add(['1'])
  clock.advance(5_000)
  for (const waitMs of [1_000, 2_000, 4_000]) {
    await collector.answers(LATER)
    const before = collector.bodies.length
    clock.advance(waitMs - 1)
    await settled()
    t.equal(collector.bodies.length, before)
    clock.advance(1)
    await settled()
    t.equal(collector.bodies.length, before + 1)
  }
  await collector.answers({ ...LATER, kind: 'later', afterMs: 7_000 })
  t.same(clock.delays, [7_000])
  clock.advance(7_000)
  await settled()
  await collector.answers(TAKEN)
  t.same(new Set(collector.bodies), new Set(['[1]']))
  t.same(exporter.totals, { exported: 1, dropped: 0 })
})

t.test('a batch that nobody takes for a minute is dropped', async t => {
  const { clock, collector, exporter, told } = scene()
  exporter.add(['1'])
  clock.advance(5_000)
  for (let i = 0; i < 20 && exporter.queued.spans > 0; i++) {
    await collector.answers(LATER)
    clock.advance(clock.delays[0] ?? 0)
    await settled()
  }
  t.same(exporter.totals, { exported: 0, dropped: 1 })
  t.same(told, [['HTTP 503', 1]])
  t.equal(clock.pending, 0)
})

t.test('what is refused is not sent again; what is taken in part is counted', async t => {
  const { clock, collector, exporter, told } = scene()
  exporter.add(['1', '2'])
  clock.advance(5_000)
  await collector.answers({ kind: 'refused', why: 'HTTP 400' })
  t.equal(collector.bodies.length, 1)
  clock.advance(60_000)
  exporter.add(['1', '2', '3'])
  clock.advance(5_000)
  await collector.answers({ kind: 'taken', rejected: 1, why: 'too old' })
  t.same(exporter.totals, { exported: 2, dropped: 3 })
  t.same(told, [
    ['HTTP 400', 2],
    ['too old', 1],
  ])
})

t.test(
  'a collector that stands still: what waits is bounded, newer spans are dropped, and a line says so now and then',
  async t => {
    const { clock, collector, exporter, told, add } = scene({ maxQueuedSpans: 1_000 })
    for (let i = 0; i < 10_000; i++) {
      add(3)
      clock.advance(10)
      await null
    }
    t.equal(collector.bodies.length, 1, 'one batch is under way')
    t.same(exporter.queued, { spans: 999, bytes: 9_990 })
    t.equal(exporter.totals.dropped, 29_001)
    t.equal(told.length, 2, 'one line a minute')
    const whole = told.reduce((sum, [, dropped]) => sum + dropped, 0)
    await collector.answers(TAKEN)
    await collector.answers(TAKEN)
    t.same(exporter.totals, { exported: 999, dropped: 29_001 })
    const closing = exporter.close(1_000)
    await closing
    t.equal(
      told.reduce((sum, [, dropped]) => sum + dropped, 0),
      29_001,
      'the end tells the rest',
    )
    t.ok(whole < 29_001)
  },
)

t.test('bytes are bounded, too', async t => {
  const { exporter, add } = scene({ maxQueuedBytes: 65_536 })
  for (let i = 0; i < 100; i++) add(1, 1_000)
  t.same(exporter.queued, { spans: 65, bytes: 65_000 })
  t.equal(exporter.totals.dropped, 35)
})

t.test('the end sends what waits, and gives it up after a while', async t => {
  const one = scene()
  one.exporter.add(['1'])
  const closed = one.exporter.close(1_000)
  t.same(one.collector.bodies, ['[1]'])
  await one.collector.answers(TAKEN)
  await closed
  t.ok(one.collector.closed)
  t.equal(one.clock.pending, 0)

  const frozen = scene()
  frozen.exporter.add(['1'])
  const given = frozen.exporter.close(1_000)
  frozen.clock.advance(1_000)
  await given
  t.same(frozen.told, [['the proxy ends', 1]])
  t.equal(frozen.clock.pending, 0)

  const waiting = scene()
  waiting.exporter.add(['1'])
  waiting.clock.advance(5_000)
  await waiting.collector.answers(LATER)
  const last = waiting.exporter.close(1_000)
  await settled()
  t.equal(waiting.collector.bodies.length, 2, 'once more, at once')
  await waiting.collector.answers(LATER)
  await last
  t.same(waiting.exporter.totals, { exported: 0, dropped: 1 })

  const idle = scene()
  await idle.exporter.close(1_000)
  t.same([idle.collector.bodies, idle.told], [[], []])
})

t.test('another destination gets what waits', async t => {
  const { clock, collector, exporter } = scene()
  exporter.add(['1'])
  clock.advance(5_000)
  const next = new Collector()
  exporter.update({
    maxQueuedSpans: 2048,
    maxQueuedBytes: 1e6,
    intervalMs: 5_000,
    destination: next,
    envelope: ['<', '>'],
  })
  t.ok(collector.closed)
  await settled()
  clock.advance(clock.delays[0] ?? 0)
  await settled()
  t.same(next.bodies, ['<1>'])
  await next.answers(TAKEN)
  t.equal(exporter.totals.exported, 1)
})
