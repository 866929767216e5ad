/** The stories of http2jp/hpack-test-case: decoded, and carried over two of our own hops. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { HpackDecoder } from '../../../src/wire/hpack/decoder.ts'
import { HpackEncoder } from '../../../src/wire/hpack/encoder.ts'
import { HpackDecoder as OtherDecoder } from '../../support/hpack.ts'
import { decode, encode, pairs } from './support.ts'

const FOLDER = path.join(import.meta.dirname, '../../../../shared/vectors/hpack-test-case')

interface Story {
  readonly cases: readonly {
    readonly wire: string
    readonly headers: readonly Readonly<Record<string, string>>[]
    readonly header_table_size?: number
  }[]
}

/** A table in the stories may have 4,096 bytes at most, but for those that say so. */
function play(story: Story): number {
  const [decoder, encoder, second, other] = [
    new HpackDecoder(),
    new HpackEncoder(),
    new HpackDecoder(),
    new OtherDecoder(),
  ]
  for (const [i, { wire, headers, header_table_size: size }] of story.cases.entries()) {
    // Only its encoder knows how the size came: the announced limit is the largest.
    if (size !== undefined && i % 2 === 1) encoder.setLimit(size)
    const expected = JSON.stringify(headers.flatMap(one => Object.entries(one)))
    const fields = decode(decoder, Buffer.from(wire, 'hex'))
    const block = encode(encoder, fields)
    const again = decode(second, block)
    if (JSON.stringify(pairs(fields)) !== expected) throw new Error(`case ${i}: decoded wrongly`)
    if (JSON.stringify(pairs(again)) !== expected) throw new Error(`case ${i}: not the same after a hop`)
    if (fields.some((field, at) => field.mode !== again[at]!.mode && field.size <= encoder.table.capacity / 4)) {
      throw new Error(`case ${i}: another representation after a hop`)
    }
    if (JSON.stringify(pairs(other.decode(block))) !== expected) throw new Error(`case ${i}: the other decoder differs`)
  }
  return story.cases.length
}

if (!existsSync(FOLDER)) {
  t.test('stories', { skip: `${FOLDER} is not there` }, async () => {})
} else {
  for (const encoder of readdirSync(FOLDER, { withFileTypes: true }).filter(entry => entry.isDirectory())) {
    t.test(encoder.name, async t => {
      const files = readdirSync(path.join(FOLDER, encoder.name)).filter(file => file.endsWith('.json'))
      t.ok(files.length > 30, `${files.length} stories`)
      for (const file of files) {
        const story: Story = JSON.parse(readFileSync(path.join(FOLDER, encoder.name, file), 'utf8'))
        try {
          play(story)
        } catch (error) {
          t.fail(`${file}: ${error}`)
        }
      }
    })
  }
}
