import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { jsonSchema, markdownTable, TABLE_BEGIN, TABLE_END, withTable } from '../../src/config/reference.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8')

t.test('the table of docs/configuration.md is that of the schema', async t => {
  t.equal(withTable(page), page, 'run: node src/config/reference.ts --page docs/configuration.md')
})

t.test('the table replaces what is between the markers, and nothing else', async t => {
  const text = `before\n${TABLE_BEGIN}\nold\n${TABLE_END}\nafter\n`
  const updated = withTable(text)!
  t.equal(updated, `before\n${TABLE_BEGIN}\n${markdownTable()}\n${TABLE_END}\nafter\n`)
  t.equal(withTable(updated), updated)
  t.equal(withTable('no markers'), undefined)
})

t.test('every option has a line with its type, default and meaning', async t => {
  const rows = markdownTable().split('\n').slice(2)
  for (const row of rows) t.match(row, /^\| `[\w.<>[\]]+` \| [^|]+ \| (`[^`|]+`|required|) \| [^|]+ \|$/, row)
  const has = (start: string) =>
    t.ok(
      rows.some(row => row.startsWith(start)),
      start,
    )
  has('| `limits.replayBytes` | number | `65536` |')
  has('| `backends.<name>.queue.timeoutMs` | number | `5000` |')
  has('| `listeners[].address` | string | required |')
  has('| `director` | `(call) => Target` |')
})

t.test('the JSON Schema is for files: no functions, unknown keys refused', async t => {
  const schema = jsonSchema() as { properties: Record<string, unknown>; additionalProperties: unknown }
  t.equal(schema.additionalProperties, false)
  t.notOk('director' in schema.properties)
  t.notOk('logger' in schema.properties)
  const text = JSON.stringify(schema)
  t.notMatch(text, /x-(code-only|type)/)
  t.match(text, /"maxCalls":\{"default":1000,/)
})
