/** Metrics of a whole proxy on their way to a collector. */
import pino from 'pino'
import t, { type Test } from 'tap'
import type { ProxyOptions } from '../../src/index.ts'
import { answer, answered, goesOn, open, type Rig } from '../contract/rig.ts'
import { linesIn, linesOfText, metricsCollector, resourceIn } from '../support/metrics-collector.ts'
import { until } from '../support/until.ts'
import { rig } from './rig.ts'

const ENDED = /^grpc_verbatim_calls_ended_total\{.*status="OK"/

async function call(t: Test, here: Rig): Promise<void> {
  const made = await open(here, { endStream: true })
  answer(made)
  await answered(t, made)
}

/** Calls that ended with OK. */
const ended = (lines: Map<string, number>): number =>
  [...lines].reduce((sum, [line, value]) => sum + (ENDED.test(line) ? value : 0), 0)

/** Two readings of a process differ in these. */
const isOfProcess = (line: string): boolean => /^(process|nodejs)_|metric_readings/.test(line)
const comparable = (lines: Map<string, number>) => Object.fromEntries([...lines].filter(([line]) => !isOfProcess(line)))

t.test('when the proxy has closed, the collector has what `metrics()` says', async t => {
  const gets = await metricsCollector(t)
  const otlp = {
    url: gets.url,
    headers: { authorization: 'Bearer secret' },
    serviceName: 'edge',
    resource: { team: 'a' },
  }
  const here = await rig(t, { proxy: { metrics: { otlp } } })
  for (let i = 0; i < 5; i++) await call(t, here)
  await here.proxy.close()
  t.match(gets.requests, [{ path: '/v1/metrics', token: 'Bearer secret' }])
  t.equal(gets.requests.length, 1)
  const { body } = gets.requests[0]!
  const [sent, text] = [linesIn(body), linesOfText(here.proxy.metrics())]
  t.same(comparable(sent), comparable(text))
  t.equal(ended(sent), 5)
  t.same([...sent.keys()].toSorted(), [...text.keys()].toSorted())
  t.match(resourceIn(body), { 'service.name': 'edge', team: 'a', 'process.pid': String(process.pid) })
  t.match(resourceIn(body)['service.instance.id'], /^[0-9a-f-]{36}$/)
})

t.test('a collector that stands still: calls go on, the end waits some seconds and says what is lost', async t => {
  const gets = await metricsCollector(t)
  gets.freeze()
  const lines: { msg: string; dropped?: number }[] = []
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const here = await rig(t, { proxy: { metrics: { otlp: { url: gets.url, intervalMs: 100 } }, logger } })
  await until('a request is under way', () => gets.requests.length === 1)
  const dropped = () => linesOfText(here.proxy.metrics()).get('grpc_verbatim_metric_readings_dropped_total')!
  await until('the next ones are dropped', () => dropped() >= 2)
  for (let i = 0; i < 20; i++) await call(t, here)
  await here.proxy.close()
  t.equal(gets.requests.length, 1, 'no second one while the first is under way')
  const told = lines.filter(({ msg }) => msg === 'the collector of metrics does not take all of them')
  t.equal(
    told.reduce((sum, line) => sum + line.dropped!, 0),
    dropped(),
    'all of them are told',
  )
})

t.test('a change of the configuration: they go elsewhere, then nowhere, and go on being counted', async t => {
  const [before, after] = [await metricsCollector(t), await metricsCollector(t)]
  const options = (otlp: object | undefined): ProxyOptions => ({
    log: { level: 'silent' },
    backends: { main: { endpoints: [here.backend.url] } },
    metrics: otlp === undefined ? true : { otlp },
  })
  const here: Rig = await rig(t, { proxy: { metrics: { otlp: { url: before.url, intervalMs: 100 } } } })
  await call(t, here)
  await until('the first has it', () => before.requests.some(({ body }) => ended(linesIn(body)) === 1))
  await here.proxy.apply(options({ url: after.url, intervalMs: 100 }))
  await until('the second has it', () => after.requests.some(({ body }) => ended(linesIn(body)) === 1))
  const known = before.requests.length
  await here.proxy.apply(options(undefined))
  await call(t, here)
  await goesOn(t, here)
  const sent = after.requests.length
  await here.proxy.close()
  t.same([before.requests.length, after.requests.length], [known, sent], 'and there is no last reading')
  t.ok(ended(linesOfText(here.proxy.metrics())) >= 2)
  const ids = [before, after].map(({ requests }) => resourceIn(requests[0]!.body)['service.instance.id'])
  t.equal(ids[0], ids[1], 'it is the same proxy')
})
