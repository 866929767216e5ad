/** Pieces that wait, against a list of buffers; and what many small ones cost. */
import fc from 'fast-check'
import t from 'tap'
import { Pieces } from '../../src/wire/pieces.ts'

const BORDERS = 4_096

const contents = (pieces: Pieces): Buffer[] => {
  const all: Buffer[] = []
  pieces.each((buffer, start, end, last) => {
    all.push(Buffer.from(buffer.subarray(start, end)))
    if (last !== (all.length === pieces.count)) throw new Error('`last` is not the last')
  })
  return all
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ push: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 20_000 })) }),
  },
  { weight: 2, arbitrary: fc.record({ take: fc.double({ min: 0, max: 1, noNaN: true }) }) },
)

t.test('any order of pushes and takes: as a list of buffers', async t => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const pieces = new Pieces()
      const model: Buffer[] = []
      let byte = 0
      for (const one of steps) {
        if ('push' in one) {
          const bytes = Buffer.alloc(one.push + 2, byte++ % 251)
          pieces.push(bytes, 1, one.push + 1)
          model.push(bytes.subarray(1, one.push + 1))
          bytes.fill(255, 0, 1)
        } else if (model.length > 0) {
          const bytes = Math.max(1, Math.round(one.take * pieces.length))
          if (!pieces.buffer.subarray(pieces.start, pieces.start + bytes).equals(model[0]!.subarray(0, bytes)))
            throw new Error('not the bytes that were pushed')
          pieces.take(bytes)
          model[0] = model[0]!.subarray(bytes)
          if (model[0].length === 0) model.shift()
        }
        if (pieces.count !== model.length || pieces.length !== (model[0]?.length ?? 0)) throw new Error('not as many')
      }
      if (!Buffer.concat(contents(pieces)).equals(Buffer.concat(model))) throw new Error('not the same bytes')
      contents(pieces).forEach((piece, i) => {
        if (piece.length !== model[i]!.length) throw new Error('not the same borders')
      })
    }),
    { numRuns: 500 },
  )
  t.pass('500 runs')
})

t.test('what was pushed is a copy, also while it is sent', async t => {
  const pieces = new Pieces()
  const lent = Buffer.from('abc')
  pieces.push(lent, 0, 3)
  const { buffer, start } = pieces
  pieces.take(3)
  lent.fill(0)
  pieces.push(Buffer.from('xyz'), 0, 3)
  t.equal(buffer.toString('latin1', start, start + 3), 'abc')
})

t.test('many small pieces keep no object each, and lose borders only beyond a number', async t => {
  const pieces = new Pieces()
  const all = Buffer.alloc(250_000)
  for (let i = 0; i < all.length; i++) {
    all[i] = i % 251
    pieces.push(all, i, i + 1)
    if (i === BORDERS - 1) t.equal(pieces.count, BORDERS, 'as they came')
  }
  t.ok(pieces.count < BORDERS + 100, `${pieces.count} pieces of ${all.length} bytes`)
  t.ok(Buffer.concat(contents(pieces)).equals(all))
  const sizes = contents(pieces).map(({ length }) => length)
  t.ok(Math.max(...sizes) <= 16_384, `${Math.max(...sizes)} bytes joined at most`)
  t.ok(sizes.slice(0, BORDERS - 1).every(bytes => bytes === 1))
})

t.test('small ones between large ones are joined likewise', async t => {
  const pieces = new Pieces()
  const large = Buffer.alloc(5_000, 1)
  let bytes = 0
  for (let i = 0; i < 20_000; i++) {
    const size = i % 100 === 0 ? large.length : 1
    pieces.push(large, 0, size)
    bytes += size
  }
  t.ok(pieces.count < BORDERS + 600, `${pieces.count} pieces`)
  let left = 0
  pieces.each((_, start, end) => {
    left += end - start
  })
  t.equal(left, bytes)
})
