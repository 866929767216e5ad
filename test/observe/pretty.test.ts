import { pino } from 'pino'
import t from 'tap'
import { shownError } from '../../src/observe/log-fields.ts'
import { prettyLine } from '../../src/observe/pretty.ts'

/** What is shown of a line that is logged like this. */
function shown(log: (logger: pino.Logger) => void, colours = false): string {
  let text = ''
  const serializers = { err: (error: Error) => shownError(pino.stdSerializers.err(error)) }
  const options = {
    base: undefined,
    serializers,
    timestamp: () => `,"time":${new Date(2026, 0, 2, 3, 4, 5, 6).getTime()}`,
  }
  const write = (json: string) => {
    text += prettyLine(json, colours)
  }
  log(pino(options, { write }))
  return text
}

t.test('time, level, message and fields, on one line', async t => {
  const fields = { peer: '192.0.2.9:1', path: '/a.B/C', durationMs: 1.5, none: undefined, tls: false }
  t.equal(
    shown(log => log.info(fields, 'call')),
    '03:04:05.006 INFO  call peer=192.0.2.9:1 path=/a.B/C durationMs=1.5 tls=false\n',
  )
  t.equal(
    shown(log => log.warn('no fields')),
    '03:04:05.006 WARN  no fields\n',
  )
})

t.test('what has spaces, quotes or no character at all is quoted', async t => {
  const values = { a: 'two words', b: 'say "x"', c: '', d: 'a=b', e: ['x'], f: null, g: 'größe' }
  t.equal(
    shown(log => log.info(values, 'x')),
    `${String.raw`03:04:05.006 INFO  x a="two words" b="say \"x\"" c="" d="a=b" e=["x"] f=null g=größe`}\n`,
  )
})

t.test('nothing that a stranger sent breaks the line or reaches the terminal as a command', async t => {
  const nasty = 'a\r\n\x1b[2J\0\x07b'
  for (const text of [
    shown(log => log.info({ path: nasty }, 'call')),
    shown(log => log.info({ nested: { path: nasty } }, 'call')),
    shown(log => log.info(nasty)),
    shown(log => log.error({ err: new Error(nasty) }, 'x')).replace(/\n {4}at .*/g, ''),
  ]) {
    t.equal(text.indexOf('\n'), text.length - 1)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are looked for
    t.notMatch(text.slice(0, -1), /[\0-\x1f]/)
  }
})

t.test('an error: its message on the line, the calls that led to it below', async t => {
  const [line, ...calls] = shown(log => log.error({ err: new TypeError('no such field') }, 'the director threw'))
    .trimEnd()
    .split('\n')
  t.equal(line, '03:04:05.006 ERROR the director threw err="no such field"')
  t.ok(calls.length > 0)
  for (const call of calls) t.match(call, /^ {4}at /)
})

t.test('colours where they are wanted', async t => {
  t.equal(
    shown(log => log.error({ a: 1 }, 'x'), true),
    '03:04:05.006 \x1b[31mERROR\x1b[0m x \x1b[2ma=\x1b[0m1\n',
  )
})
