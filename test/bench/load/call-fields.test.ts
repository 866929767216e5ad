/** Which fields differ from call to call. */
import t from 'tap'
import { CallFields, type CallLists } from '../../../bench/load/call-fields.ts'
import { callImages } from '../../../bench/load/call-images.ts'
import { planOf } from '../../../bench/load/call-plan.ts'
import { messageOf } from '../../../bench/load/messages.ts'
import type { LoadOptions } from '../../../bench/load/shape.ts'
import { seededRandom } from '../../../src/bench/random.ts'
import { HEAD_BYTES, HpackDecoder, readLength } from '../../../src/wire/index.ts'
import { SMALL } from './rig.ts'

function fieldsOf(options: Partial<LoadOptions>): CallFields {
  const whole: LoadOptions = {
    port: 8080,
    connections: 10,
    shape: SMALL,
    mode: { kind: 'closed', streams: 1, calls: 1 },
    ...options,
  }
  return new CallFields(planOf(SMALL), whole, seededRandom(1))
}

const valuesOf = (lists: CallLists, name: string): string[] =>
  lists.map(list => list.find(field => field.name === name)!.value)

t.test('nothing differs', async t => {
  const fields = fieldsOf({})
  t.equal(fields.lists().length, 1)
  t.equal(fields.lists()[0], fields.lists()[0], 'the same list: it is encoded once')
  t.equal(valuesOf(fields.lists(), ':scheme')[0], 'http')
  t.equal(valuesOf(fieldsOf({ tls: { ca: 'x' } }).lists(), ':scheme')[0], 'https')
})

t.test('fresh, token, and so many bytes', async t => {
  const fresh = fieldsOf({ headers: 'fresh' }).lists()
  t.equal(fresh.length, 4_000)
  for (const name of ['authorization', 'traceparent']) t.equal(new Set(valuesOf(fresh, name)).size, 4_000, name)
  t.ok(valuesOf(fresh, 'authorization').every(value => value.length === 900))
  t.ok(valuesOf(fresh, 'traceparent').every(value => /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/.test(value)))

  const fields = fieldsOf({ headers: 'token' })
  const token = fields.lists()
  t.equal(new Set(valuesOf(token, 'authorization')).size, 1)
  t.equal(new Set(valuesOf(token, 'traceparent')).size, 4_000)
  t.not(valuesOf(fields.lists(), 'authorization')[0], valuesOf(token, 'authorization')[0], 'of another connection')

  const bytes = fieldsOf({ headerBytes: 5_000 }).lists()
  t.equal(new Set(valuesOf(bytes, 'authorization')).size, bytes.length)
  t.ok(valuesOf(bytes, 'authorization').every(value => value.length === 5_000))
  t.ok(bytes.length * 10 * 5_000 <= 40_000_000, 'memory has a bound')
  t.equal(fieldsOf({ headers: 'fresh', connections: 1_000 }).lists().length, 40)
})

t.test('tokens that are given: one for each connection, in turn', async t => {
  const fields = fieldsOf({ tokens: ['a', 'b'] })
  const connections = [fields.lists(), fields.lists(), fields.lists()]
  t.same(
    connections.map(lists => valuesOf(lists, 'authorization')),
    [['Bearer a'], ['Bearer b'], ['Bearer a']],
  )
  t.throws(() => fieldsOf({ tokens: ['a'], headers: 'fresh' }), { name: 'RangeError' })
})

t.test('images are decoded to their lists, the second time round too', async t => {
  for (const headers of ['same', 'fresh', 'token'] as const) {
    const lists = fieldsOf({ headers, connections: 1_000 }).lists()
    const { images, again } = callImages(lists, messageOf(39))
    const decoder = new HpackDecoder()
    const order = [...images, ...images.slice(again), ...images.slice(again)]
    order.forEach((image, i) => {
      const block = decoder.decode(image, HEAD_BYTES, HEAD_BYTES + readLength(image, 0))
      const expected = lists[i % lists.length]!
      const same = block.length === expected.length && block.every((field, j) => field.value === expected[j]!.value)
      if (!same) t.fail(`${headers}: call ${i} is another`)
    })
    t.ok(order.length >= 3, headers)
  }
})
