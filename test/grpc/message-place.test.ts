/** Where a body is in its messages, told by one number: the same as the counter tells, however it is cut. */
import fc from 'fast-check'
import t from 'tap'
import { BORDER, MessageCounter, placeAfter } from '../../src/grpc/message.ts'

t.test('as the counter has it, at each cut', async t => {
  const messages = fc.array(fc.nat({ max: 700 }), { maxLength: 6 })
  const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 })
  const property = fc.property(messages, cuts, fc.nat(20), (lengths, sizes, missing) => {
    const body = Buffer.concat(
      lengths.map(length => {
        const message = Buffer.alloc(5 + length, 0xff)
        message.writeUInt32BE(length, 1)
        return message
      }),
    )
    const counter = new MessageCounter()
    let place = BORDER
    for (let at = 0, cut = 0, end = Math.max(0, body.length - missing); at < end; cut++) {
      const next = Math.min(end, at + sizes[cut % sizes.length]!)
      place = placeAfter(place, body, at, next)
      counter.push(body, at, next)
      at = next
      if ((place !== BORDER) !== counter.within) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2_000 }))
})

t.test('the longest message, its prefix byte by byte', async t => {
  let place = BORDER
  for (const byte of [1, 0xff, 0xff, 0xff, 0xff]) place = placeAfter(place, Buffer.from([byte]), 0, 1)
  t.equal(place, 2 ** 32 - 1)
  t.equal(placeAfter(place, Buffer.alloc(10), 0, 10), 2 ** 32 - 11)
})
