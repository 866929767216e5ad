/** Ids of requests, as those who operate a proxy find and configure them; the contract has what goes over the wire. */
import pino from 'pino'
import t from 'tap'
import { RequestIds } from '../../src/call/request-id.ts'
import { ConfigError } from '../../src/config/problems.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import { answer, answered, arrived, field, open, pairs, requestFields } from '../contract/rig.ts'
import { block } from '../support/fake-transport.ts'
import { Code } from '../support/frames.ts'
import { until } from '../support/until.ts'
import { rig } from './rig.ts'

const NAME = 'x-request-id'

t.test('ids are UUIDs of version 4, and none comes twice', async t => {
  const ids = new RequestIds({ header: NAME, trust: false, respond: false })
  const made = Array.from({ length: 1_000 }, () => ids.of(block({})).field.value)
  t.equal(new Set(made).size, made.length)
  const form = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  t.same(
    made.filter(id => !form.test(id)),
    [],
  )
  // Each digit that may be any is any of the sixteen, but for one set of ids in 10^26.
  for (const at of [0, 7, 9, 12, 15, 20, 24, 35]) t.equal(new Set(made.map(id => id[at])).size, 16, `digit ${at}`)
})

t.test('what is taken from a client is text that a log may have as it is', async t => {
  const ids = new RequestIds({ header: NAME, trust: true, respond: false })
  for (let code = 0; code < 256; code++) {
    const value = `a${String.fromCharCode(code)}b`
    const isFit = code > 0x20 && code < 0x7f && value[1] !== ','
    t.equal(ids.of(block({ [NAME]: value })).taken, isFit, `${code}`)
  }
  for (const value of ['', 'a\n', 'x'.repeat(129), 'x'.repeat(65_536)]) t.notOk(ids.of(block({ [NAME]: value })).taken)
})

t.test('the line of a call and the latest failures have the id that its backend got, of each attempt', async t => {
  const lines: { msg: string; requestId?: string }[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const here = await rig(t, { proxy: { requestId: {}, logger, admin: { address: '127.0.0.1:0' } } })
  const first = await open(here, { endStream: true, extra: [[NAME, 'of-the-client']] })
  first.backend.rst(first.backendId, Code.REFUSED_STREAM)
  const second = await arrived(here, first.id)
  answer(second)
  await answered(t, second)
  const failed = await open(here, { endStream: true })
  failed.backend.rst(failed.backendId, Code.INTERNAL_ERROR)
  await failed.client.ended(failed.id)
  const ids = [second, failed].map(({ headers }) => field(headers, NAME)!)
  t.equal(field(first.headers, NAME), ids[0])
  t.not(ids[0], 'of-the-client')
  const calls = () => lines.filter(({ msg }) => msg === 'call')
  await until('both are told of', () => calls().length === 2)
  t.same(
    calls().map(({ requestId }) => requestId),
    ids,
  )
  t.same(
    here.proxy.state().failures.map(({ requestId }) => requestId),
    ids.slice(1),
  )
})

t.test('a reload turns them on, gives them another name and turns them off', async t => {
  const here = await rig(t)
  const backends = { main: { endpoints: [here.backend.url] } }
  const sent = async () => {
    const call = await open(here, { endStream: true })
    answer(call)
    await answered(t, call)
    return pairs(call.headers.fields)
      .slice(requestFields().length)
      .map(([name]) => name)
  }
  t.same(await sent(), [])
  await here.proxy.apply({ backends, log: { level: 'silent' }, requestId: {} })
  t.same(await sent(), [NAME])
  await here.proxy.apply({ backends, log: { level: 'silent' }, requestId: { header: 'x-correlation-id' } })
  t.same(await sent(), ['x-correlation-id'])
  await here.proxy.apply({ backends, log: { level: 'silent' } })
  t.same(await sent(), [])
})

t.test('fields that mean something else are refused', async t => {
  const wrong = (header: string): string => {
    try {
      resolveConfig({ backends: { main: { endpoints: ['127.0.0.1:1'] } }, requestId: { header } })
      return ''
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return error.problems.map(({ path, message }) => `${path}: ${message}`).join('\n')
    }
  }
  t.equal(wrong('x-correlation-id'), '')
  t.equal(wrong('X-Request-Id'), 'requestId.header: metadata names are lower case in HTTP/2: write x-request-id')
  t.match(wrong(':path'), /pseudo-header/)
  for (const name of ['te', 'host', 'content-type', 'grpc-timeout', 'grpc-status', 'traceparent', 'b3', 'id-bin']) {
    t.equal(wrong(name), 'requestId.header: this field means something else: choose another, as x-request-id', name)
  }
})
