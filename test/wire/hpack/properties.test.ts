/** Sessions of random blocks with random representations and table sizes. */
import fc from 'fast-check'
import t from 'tap'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { HpackEncoder } from '../../../src/wire/hpack/encoder.ts'
import {
  type Field,
  HpackDecoder as OtherDecoder,
  HpackEncoder as OtherEncoder,
  type Representation,
} from '../../support/hpack.ts'
import { decode, encode, modes, modesOf, pairs } from './support.ts'

const latin1 = (max: number) =>
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: max }).map(codes => String.fromCharCode(...codes))
/** Few, so that they repeat; some of the static table. */
const name = fc.oneof(
  fc.constantFrom(':path', ':method', ':status', 'te', 'x-a', 'x-b', 'grpc-timeout', 'content-length', 'cookie'),
  fc.constantFrom('x-quite-a-long-name-for-a-header-field', 'x-bin'),
  latin1(8),
)
const value = fc.oneof(
  fc.constantFrom('', '/', 'GET', '200', '0', 'trailers', 'one', 'two'),
  fc.constantFrom('a'.repeat(100), 'b'.repeat(500), '\xff'.repeat(300), 'c'.repeat(1500)),
  latin1(12),
)
const how = fc.constantFrom<Representation>('indexed', 'incremental', 'literal', 'never')
const field: fc.Arbitrary<Field> = fc.tuple(name, value, how)
const block = fc.array(field, { maxLength: 12 })
const size = fc.oneof(fc.constantFrom(0, 32, 60, 100, 1000, 4096, 10_000), fc.integer({ min: 0, max: 5000 }))
/** What changes before a block: limits, in turn. */
const step = fc.record({ limits: fc.array(size, { maxLength: 3 }), block, repeat: fc.integer({ min: 1, max: 3 }) })
const steps = fc.array(step, { maxLength: 15 })

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
/** `indexed` and `incremental` are one mode; an `indexed` that fell back too. */
const kinds = (list: readonly { name: string; value: string; representation: Representation }[]) =>
  list.map(({ name, value, representation }) => [
    name,
    value,
    representation === 'incremental' ? 'indexed' : representation,
  ])
const wanted = (list: readonly Field[]) =>
  list.map(([name, value, how]) => [name, value, how === 'incremental' ? 'indexed' : how])

t.test('our decoder reads what the other encoder writes', async () => {
  fc.assert(
    fc.property(steps, all => {
      const [sender, decoder] = [new OtherEncoder(), new HpackDecoder()]
      for (const { limits, block, repeat } of all) {
        for (const limit of limits) decoder.setLimit(limit)
        // §4.2: the smallest, then the final one.
        if (limits.length > 0) sender.resize(Math.min(...limits))
        if (limits.length > 1) sender.resize(limits.at(-1)!)
        for (let i = 0; i < repeat; i++) {
          if (!same(modes(decode(decoder, sender.encode(block))), modesOf(block))) return false
        }
      }
      return true
    }),
    { numRuns: 500 },
  )
})

t.test('a chain of three hops: other encoder, ours twice, other decoder', async () => {
  fc.assert(
    fc.property(steps, all => {
      const [sender, first, out] = [new OtherEncoder(), new HpackDecoder(), new HpackEncoder()]
      const [second, again, receiver] = [new HpackDecoder(), new HpackEncoder(20_000), new OtherDecoder(10_000)]
      for (const { limits, block, repeat } of all) {
        for (const limit of limits) {
          out.setLimit(limit)
          second.setLimit(limit)
          again.setLimit(limit)
        }
        for (let i = 0; i < repeat; i++) {
          const one = decode(first, sender.encode(block))
          const two = decode(second, encode(out, one))
          const three = receiver.decode(encode(again, two))
          if (!same(pairs(two), pairs(one)) || !same(pairs(three), pairs(one))) return false
          if (out.table.size !== second.table.size || out.table.count !== second.table.count) return false
          if (again.table.size !== receiver.table.size) return false
          // Only what is too large to be inserted changes its representation.
          const far = kinds(three)
          for (const [j, expected] of wanted(block).entries()) {
            if (one[j]!.size <= Math.min(out.table.capacity, again.table.capacity) / 4 && !same(far[j], expected))
              return false
            if (expected[2] !== 'indexed' && far[j]![2] !== expected[2]) return false
          }
        }
      }
      return true
    }),
    { numRuns: 500 },
  )
})

t.test('sessions that share fields do not disturb each other', async () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(3), block), { maxLength: 40 }), all => {
      const senders = [0, 1, 2, 3].map(() => ({ out: new OtherEncoder(), read: new HpackDecoder() }))
      const hops = [0, 1, 2, 3].map(() => ({ encoder: new HpackEncoder(), receiver: new OtherDecoder() }))
      return all.every(([from, to, block]) => {
        const fields = decode(senders[from]!.read, senders[from]!.out.encode(block))
        const far = hops[to]!.receiver.decode(encode(hops[to]!.encoder, fields))
        return same(pairs(far), pairs(fields)) && same(modes(fields), modesOf(block))
      })
    }),
    { numRuns: 300 },
  )
})
