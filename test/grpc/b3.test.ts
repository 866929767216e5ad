/** B3, as Zipkin has it. */
import fc from 'fast-check'
import t from 'tap'
import { readB3, readB3Fields } from '../../src/grpc/b3.ts'

const TRACE = '80f198ee56343ba864fe8b2a57d3eff7'
const SPAN = 'e457b5a2e4d86bd1'
const NO_FIELDS = { traceId: undefined, spanId: undefined, sampled: undefined, flags: undefined }

t.test('one header', async t => {
  const context = { traceId: TRACE, spanId: SPAN, flags: 1, state: '' }
  t.same(readB3(`${TRACE}-${SPAN}-1`), { context, sampled: true })
  t.same(readB3(`${TRACE}-${SPAN}-d`), { context, sampled: true })
  t.same(readB3(`${TRACE}-${SPAN}-1-05e3ac9a4f6e3b90`), { context, sampled: true })
  t.same(readB3(`${TRACE}-${SPAN}-0`), { context: { ...context, flags: 0 }, sampled: false })
  t.same(readB3(`${TRACE}-${SPAN}`), { context: { ...context, flags: 0 }, sampled: undefined }, 'left to us')
  t.equal(readB3(`${TRACE.slice(16)}-${SPAN}`)?.context?.traceId, `0000000000000000${TRACE.slice(16)}`)
  t.same(readB3('0'), { context: undefined, sampled: false })
  t.same(readB3('1'), { context: undefined, sampled: true })
})

t.test('several headers', async t => {
  const context = { traceId: TRACE, spanId: SPAN, flags: 1, state: '' }
  t.same(readB3Fields({ ...NO_FIELDS, traceId: TRACE, spanId: SPAN, sampled: '1' }), { context, sampled: true })
  t.same(readB3Fields({ ...NO_FIELDS, traceId: TRACE, spanId: SPAN, flags: '1' }), { context, sampled: true })
  t.same(readB3Fields({ ...NO_FIELDS, sampled: '0' }), { context: undefined, sampled: false })
  t.equal(readB3Fields(NO_FIELDS), undefined)
})

t.test('what is no B3', async t => {
  const wrong = [
    '',
    'x',
    '-',
    `${TRACE}`,
    `${TRACE}-`,
    `${TRACE}-${SPAN}-2`,
    `${TRACE}-${SPAN}-1-`,
    `${TRACE}-${SPAN}-1-x`,
  ]
  const more = [
    `${TRACE}-${SPAN}-1-${SPAN}-1`,
    `${'0'.repeat(32)}-${SPAN}-1`,
    `${TRACE}-${'0'.repeat(16)}-1`,
    `${TRACE.toUpperCase()}-${SPAN}-1`,
  ]
  for (const text of [...wrong, ...more]) t.equal(readB3(text), undefined, text)
  t.equal(readB3Fields({ ...NO_FIELDS, traceId: TRACE }), undefined)
  t.equal(readB3Fields({ ...NO_FIELDS, traceId: TRACE, spanId: SPAN, sampled: 'maybe' }), undefined)
})

t.test('whatever comes: nothing throws, and ids are ids', async t => {
  const part = fc.oneof(fc.string(), fc.constantFrom(TRACE, SPAN, '1', 'd', '0', ''))
  const sound = (read: ReturnType<typeof readB3>) =>
    read?.context === undefined ||
    (/^[0-9a-f]{32}$/.test(read.context.traceId) && /^[0-9a-f]{16}$/.test(read.context.spanId))
  fc.assert(fc.property(fc.array(part), parts => sound(readB3(parts.join('-')))))
  const maybe = fc.option(part, { nil: undefined })
  fc.assert(
    fc.property(fc.record({ traceId: maybe, spanId: maybe, sampled: maybe, flags: maybe }), fields =>
      sound(readB3Fields(fields)),
    ),
  )
  t.pass('none')
})
