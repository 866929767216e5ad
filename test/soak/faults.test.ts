/**
 * Mixed load with injected faults. Rounds: clients call and come and go while backends die, freeze, leave and
 * misbehave, and while the configuration changes; then everything is let come to rest, and nothing may be left of it. `SOAK_SECONDS=1800` for the
 * long run, `SOAK_SEED` to have the same plans again, `SOAK_PAIR=native-frames` for other transports.
 */
import t, { type Test } from 'tap'
import { WHOLE } from '../support/whole.ts'
import { Field } from './faults/field.ts'
import { Ledger, MOST_COMPLAINTS } from './faults/ledger.ts'
import { Load } from './faults/load.ts'
import { HEAP_RISE_BYTES, mebibytes, RSS_RISE_BYTES, type Sample, trend } from './faults/memory.ts'
import { ProxyProcess } from './faults/proxy.ts'

const SECONDS = Number(process.env.SOAK_SECONDS ?? (WHOLE ? 12 : 4))
const SEED = Number(process.env.SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31))
const PAIR = process.env.SOAK_PAIR ?? 'frames-frames'
/** At most this long between two looks at an idle proxy; at least some of them in a short run. */
const ROUND_MS = Math.min(30_000, (SECONDS * 1000) / 4)
/** From the last client's end to nothing open: more than the relay lets a backend linger (5 s). */
const SETTLE_MS = 15_000
const EXIT_MS = 10_000

const TIMEOUT_MS = SECONDS * 1000 * 2 + 120_000
// Of the file too: tap's own would end the long run.
t.setTimeout(TIMEOUT_MS)
t.test(`${SECONDS} s of faults, ${PAIR}, seed ${SEED}`, { timeout: TIMEOUT_MS }, async t => {
  const [downstream, upstream] = PAIR.split('-') as ['frames', 'frames']
  const ledger = new Ledger(SEED, { downstream, upstream })
  const field = new Field(ledger)
  await field.listen()
  t.teardown(() => field.stop())
  const start = { downstream, upstream, calm: field.endpoints(field.calm), storm: field.endpoints(field.storm) }
  const proxy = await ProxyProcess.start(start)
  t.teardown(() => proxy.kill())
  const atFirst = await proxy.ask({ ask: 'memory' })
  const load = new Load(ledger, proxy.port)
  const samples: Sample[] = []

  const ends = performance.now() + SECONDS * 1000
  for (let round = 1; performance.now() < ends && ledger.complaintCount < MOST_COMPLAINTS; round++) {
    const stop = field.storms(round, proxy)
    await load.round(Math.min(ROUND_MS, ends - performance.now()))
    await stop()
    const rest = await proxy.ask({ ask: 'idle', withinMs: SETTLE_MS, backendSessions: true })
    if (!rest.idle) ledger.complain(`round ${round}: something is left open: ${JSON.stringify(rest.counts)}`)
    for (const left of await field.leftovers(SETTLE_MS)) ledger.complain(left)
    const { heapBytes, rssBytes } = await proxy.ask({ ask: 'memory' })
    samples.push({ calls: ledger.started, heapBytes, rssBytes })
    ledger.forget()
    t.comment(
      `round ${round}: ${ledger.started} calls, ${mebibytes(ledger.bytes)}; heap ${mebibytes(heapBytes)}, rss ${mebibytes(rssBytes)}`,
    )
  }

  t.comment(ledger.summary())
  for (const complaint of ledger.complaints) {
    const report = complaint.split('\n')
    t.fail(report[0]!, { report, stack: '', source: '' })
  }
  t.equal(ledger.complaintCount, 0, `every call ended once, in time, as it may, with right bytes (seed ${SEED})`)
  t.equal(ledger.ended, ledger.started, 'as many ends as calls')
  flat(t, samples)

  await field.stop()
  const empty = await proxy.ask({ ask: 'idle', withinMs: SETTLE_MS, backendSessions: false })
  t.ok(empty.idle, `nothing is open without clients and backends: ${JSON.stringify(empty.counts)}`)
  t.same(empty.resources, atFirst.resources, 'no handle, timer or request more than at first')
  await proxy.ask({ ask: 'close' })
  t.equal(await proxy.leave(EXIT_MS), 'code 0', 'the closed proxy keeps no process alive')
})

function flat(t: Test, samples: readonly Sample[]): void {
  const line = trend(samples)
  if (line === undefined) return t.comment('too few rounds to say anything of the memory')
  const heap = `the heap's line rises by ${mebibytes(line.heapRiseBytes)} over ${line.calls} calls`
  const rss = `the RSS's line rises by ${mebibytes(line.rssRiseBytes)}`
  t.ok(line.heapRiseBytes <= HEAP_RISE_BYTES, `${heap}, ${line.samples} samples, bound ${mebibytes(HEAP_RISE_BYTES)}`)
  t.ok(line.rssRiseBytes <= RSS_RISE_BYTES, `${rss}, bound ${mebibytes(RSS_RISE_BYTES)}`)
}
