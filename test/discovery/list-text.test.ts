/** The text of a list is what YAML says of it, however much of it was known before. */
import fc from 'fast-check'
import t from 'tap'
import { parse } from 'yaml'
import { ListText } from '../../src/discovery/list-text.ts'

/** What YAML says; undefined where it is wrong. */
function whole(text: string): unknown {
  try {
    return parse(text, { logLevel: 'error' })
  } catch {
    return undefined
  }
}

const TEXTS = [
  '- a:1\n- b:2',
  '- a:1\r\n- b:2\r\n',
  '---\n# first\n- a:1\n\n# second\n- b:2\n',
  '- { address: a:1, weight: 3 }\n- address: b:2\n  weight: 1.5\n- c:3',
  '- {\n    address: a:1,\n    priority: 1 }\n',
  '- "a:1"\n- \'b:2\'\n- "[::1]:50051"\n',
  '- a:1 # one\n- b:2#two\n',
  '[a:1, b:2]',
  '["a:1", {"address": "b:2", "weight": 2}]',
  '["a:1", "b:2",]',
  ' - a:1\n - b:2',
  '- &x a:1\n- *x\n',
  '- &x { address: a:1 }\n- { <<: *x, weight: 2 }\n',
  '- !!str 12:34\n',
  '- 12:34:56\n- 1:2\n- 0x1F:3',
  '- 1\n- 2.5\n- true\n- null\n- ~\n-\n',
  '- - a:1\n  - b:2\n- c:3\n',
  '- |\n  a:1\n\n  b:2\n- c:3\n',
  '- >\n  # not a comment\n  a:1\n- c:3\n',
  '- "a\n\n  b"\n- c:3\n',
  '- a:1\nb: 2\n',
  'a: 1',
  '- a:1\n...\n',
  '- a:1\n---\n- b:2\n',
  '',
  '# nothing\n',
  'null',
  '- a: 1\n  a: 2\n',
  '- [a\n',
  '- a:1\n\t- b:2\n',
  '- http://10.0.0.1:50051\n- unix:/run/x.sock\n- 10.0.0.2:50051/',
]

t.test('each text by itself', async t => {
  for (const text of TEXTS)
    t.same(await new ListText().read(text).catch(() => undefined), whole(text), JSON.stringify(text))
})

t.test('any text after any other, and lists that change by an entry', async t => {
  const entry = fc.constantFrom(
    '- a:1',
    '- b:2',
    '- { address: a:1 }',
    '- address: c:3\n  weight: 2',
    '# x',
    '- &y d:4',
    '- z',
  )
  const list = fc.array(entry, { minLength: 1, maxLength: 80 }).map(lines => lines.join('\n'))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(list, fc.constantFrom(...TEXTS)), { maxLength: 8 }), async texts => {
      const read = new ListText()
      for (const text of texts) t.same(await read.read(text).catch(() => undefined), whole(text))
    }),
    { numRuns: 100 },
  )
})

t.test('an entry that stays is the same object', async t => {
  const text = new ListText()
  const lines = Array.from({ length: 300 }, (_, i) => `- { address: "a:${i + 1}", weight: 2 }`)
  const before = (await text.read(lines.join('\n'))) as unknown[]
  lines[100] = '- { address: "b:1" }'
  const after = (await text.read(lines.join('\n'))) as unknown[]
  t.equal(after.filter(entry => !before.includes(entry)).length, 1)
  const shuffled = (await text.read(lines.toReversed().join('\n'))) as unknown[]
  t.ok(shuffled.every(entry => after.includes(entry)))
})
