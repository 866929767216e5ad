/** W3C Trace Context Level 2: what is read, and what goes on. The cases are those of its own test suite, and more. */
import fc from 'fast-check'
import t from 'tap'
import { readTraceparent, readTracestate, traceparentOf } from '../../src/grpc/trace-context.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const PARENT = `00-${TRACE}-${SPAN}-01`

/** The grammar of Level 2, written another time. */
const VALID_PARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const VALID_MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

t.test('traceparent: ids and flags', async t => {
  t.same(readTraceparent(PARENT), { traceId: TRACE, spanId: SPAN, flags: 1 })
  t.equal(readTraceparent(`00-${TRACE}-${SPAN}-00`)?.flags, 0)
  t.equal(readTraceparent(`00-${TRACE}-${SPAN}-03`)?.flags, 3, 'sampled, and random')
  t.equal(readTraceparent(`00-${TRACE}-${SPAN}-ff`)?.flags, 3, 'flags that have no meaning are not read')
  t.equal(traceparentOf(TRACE, SPAN, 1), PARENT)
  t.equal(traceparentOf(TRACE, SPAN, 0xff), `00-${TRACE}-${SPAN}-03`, '"Vendors MUST set those to zero"')
})

t.test('a later version is read as far as this one goes', async t => {
  for (const version of ['01', 'cc', 'fe']) {
    t.same(readTraceparent(`${version}-${TRACE}-${SPAN}-01`), { traceId: TRACE, spanId: SPAN, flags: 1 })
    t.same(readTraceparent(`${version}-${TRACE}-${SPAN}-01-what-the-future-will-be-like`)?.spanId, SPAN)
    t.equal(readTraceparent(`${version}-${TRACE}-${SPAN}-01.what-the-future-will-be-like`), undefined)
    t.equal(readTraceparent(`${version}-${TRACE}-${SPAN}-0`), undefined)
  }
})

t.test('what is no traceparent', async t => {
  const wrong = [
    ...['', '00', PARENT.slice(0, -1), `${PARENT}-`, `${PARENT}0`, `${PARENT}-01`, ` ${PARENT}`, `${PARENT} `],
    ...[`ff-${TRACE}-${SPAN}-01`, `0-${TRACE}-${SPAN}-01`, `000-${TRACE}-${SPAN}-01`, `.0-${TRACE}-${SPAN}-01`],
    ...[`00-${'0'.repeat(32)}-${SPAN}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`, `00-${TRACE}-${SPAN}-.1`],
    ...[PARENT.toUpperCase(), `00-${TRACE.slice(1)}.-${SPAN}-01`, `00-${TRACE}-${SPAN.slice(1)}.-01`],
    ...[`00_${TRACE}-${SPAN}-01`, `00-${TRACE}_${SPAN}-01`, `00-${TRACE}-${SPAN}_01`, `${PARENT}\0`],
  ]
  for (const text of wrong) t.equal(readTraceparent(text), undefined, JSON.stringify(text))
})

t.test('tracestate: several fields are one list, spaces and empty members are nothing', async t => {
  t.equal(readTracestate(['foo=1,bar=2']), 'foo=1,bar=2')
  t.equal(readTracestate(['foo=1', 'bar=2', 'rojo=1,congo=2', 'baz=3']), 'foo=1,bar=2,rojo=1,congo=2,baz=3')
  t.equal(readTracestate(['foo=1 \t , \t bar=2, \t baz=3']), 'foo=1,bar=2,baz=3')
  t.equal(readTracestate(['foo=1', '']), 'foo=1')
  t.equal(readTracestate(['', ' ,\t, ']), '')
  t.equal(readTracestate(['foo=1 2= 3'.replace('= ', '+ ')]), 'foo=1 2+ 3', 'spaces within a value belong to it')
  t.equal(readTracestate(['foo= 1']), 'foo= 1')
  t.equal(readTracestate(['foo=1,foo=2,bar=3']), 'foo=1,bar=3', 'one entry for each key: the first is the latest')
  const key = `${'t'.repeat(241)}@${'v'.repeat(14)}`
  t.equal(readTracestate([`${key}=1,0=2,a-b_c*d/e=3`]), `${key}=1,0=2,a-b_c*d/e=3`)
})

t.test('a member that breaks the rules makes the whole list nothing', async t => {
  for (const member of [
    'foo',
    'foo=',
    '=1',
    'foo =1',
    'FOO=1',
    'foo.bar=1',
    '@foo=1',
    'foo@=1,b',
    'foo=1=2',
    'foo=\u00ff',
  ]) {
    t.equal(readTracestate([`bar=2,${member}`]), '', member)
  }
  t.equal(readTracestate(['foo=bar\u0001baz']), '')
  t.equal(readTracestate([`${'z'.repeat(257)}=1`]), '')
  t.equal(readTracestate([`a=${'z'.repeat(257)}`]), '')
})

t.test('bounds: 32 members, and 512 characters in whole entries, large ones first', async t => {
  const members = (count: number) => Array.from({ length: count }, (_, i) => `bar${i}=${i}`)
  t.equal(readTracestate([members(32).join(',')]), members(32).join(','))
  t.equal(readTracestate([members(33).join(',')]), '')
  const small = Array.from({ length: 4 }, (_, i) => `s${i}=${'v'.repeat(97)}`)
  const large = `large=${'v'.repeat(150)}`
  t.equal(readTracestate([[large, ...small].join(',')]), small.join(','))
  t.equal(readTracestate([[...small, 'end=1', 'last=2'].join(',')]), [...small, 'end=1', 'last=2'].join(','))
  const five = Array.from({ length: 6 }, (_, i) => `s${i}=${'v'.repeat(97)}`)
  t.equal(readTracestate([five.join(',')]), five.slice(0, 5).join(','), 'then those at the end')
  const exact = [`a=${'v'.repeat(126)}`, `b=${'v'.repeat(126)}`, `c=${'v'.repeat(126)}`, `d=${'v'.repeat(123)}`].join(
    ',',
  )
  t.equal(exact.length, 512)
  t.equal(readTracestate([exact]), exact)
})

t.test('whatever comes: nothing throws, and nothing goes on that breaks the rules', async t => {
  const latin1 = fc.string({ unit: fc.nat({ max: 255 }).map(code => String.fromCharCode(code)), maxLength: 700 })
  const near = fc
    .tuple(fc.constantFrom(PARENT, `01-${TRACE}-${SPAN}-01-x`), fc.nat({ max: 60 }), latin1)
    .map(([text, at, put]) => text.slice(0, at) + put.slice(0, 3) + text.slice(at + (put.length % 3)))
  fc.assert(
    fc.property(fc.oneof(latin1, near), text => {
      const read = readTraceparent(text)
      return read === undefined || VALID_PARENT.test(traceparentOf(read.traceId, read.spanId, read.flags))
    }),
  )
  const member = fc.tuple(fc.constantFrom('a', 'k@v', '0', 'B', ''), fc.constantFrom('=', '', '=='), latin1)
  const lists = fc.array(
    fc.oneof(
      latin1,
      fc
        .array(
          member.map(parts => parts.join('')),
          { maxLength: 40 },
        )
        .map(all => all.join(',')),
    ),
  )
  fc.assert(
    fc.property(lists, given => {
      const state = readTracestate(given)
      const parts = state === '' ? [] : state.split(',')
      const keys = new Set(parts.map(part => part.split('=')[0]))
      return (
        parts.every(part => VALID_MEMBER.test(part)) &&
        state.length <= 512 &&
        parts.length <= 32 &&
        keys.size === parts.length
      )
    }),
  )
  t.pass('none')
})

t.test('a list that nobody would send costs no more than its length', async t => {
  const spaces = `a=1,${' '.repeat(16_000)}x`
  const began = process.cpuUsage()
  for (let i = 0; i < 100; i++) readTracestate([spaces])
  t.ok(process.cpuUsage(began).user < 1_000_000, 'in quadratic time it would be a minute')
  t.equal(readTracestate([`a=1,${' '.repeat(20_000)}`]), '', 'longer than 32 members can be')
})
