import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { parseRun, readRun, writeReport } from '../../../bench/report/files.ts'
import { smallRun, syntheticRun } from './synthetic-run.ts'

t.test('a record comes back as it went', async t => {
  const file = path.join(t.testdir(), 'deep/down/run.json')
  const run = syntheticRun()
  t.same(await writeReport(run, { json: file }), [file])
  t.same(readRun(file), run)
  const bare = { ...smallRun(), revision: undefined, subjects: [{ name: 'a', title: 'b', kind: 'peer' as const }] }
  t.same(parseRun(JSON.stringify(bare), 'x'), bare)
})

t.test('page and charts are written where they are wanted, and nothing else', async t => {
  const folder = t.testdir()
  const [html, svgFolder] = [path.join(folder, 'run.html'), path.join(folder, 'charts')]
  const written = await writeReport(smallRun(), { html, svgFolder })
  t.same(written, [html, path.join(svgFolder, 'cpu-a-call.svg'), path.join(svgFolder, 'calls-s.svg')])
  t.same(readdirSync(folder).sort(), ['charts', 'run.html'])
  t.match(readFileSync(html, 'utf8'), /^<!doctype html>/)
  t.match(readFileSync(written[1]!, 'utf8'), /^<svg .*<\/svg>\n$/s)
  t.same(await writeReport(smallRun(), {}), [])
})

t.test('what is not such a record is refused, with the file and the reason', async t => {
  const refuses = (text: string, message: RegExp | string) => t.throws(() => parseRun(text, 'my.json'), { message })
  refuses('{"format": 1', /^my\.json: not JSON: /)
  refuses('[]', /^my\.json: no record of a run; this version reads format 1, as `npm run bench/)
  refuses('null', /no record of a run/)
  refuses(
    '{"format":2}',
    'my.json: a record of format 2; this version reads format 1, as `npm run bench -- --json FILE` writes',
  )
  refuses('{"format":"1"}', /a record of format "1"/)
  const run = smallRun()
  const scenario = { ...run.scenarios[0]!, entries: [{ subject: 'a', samples: [{ x: 'fast' }] }] }
  refuses(JSON.stringify({ ...run, scenarios: [scenario] }), /^my\.json: .*scenarios\.0\.entries\.0\.samples\.0\.x: /)
  refuses(JSON.stringify({ ...run, rounds: 0, date: 'yesterday' }), /date: .*; rounds: /)
  const file = path.join(t.testdir(), 'run.json')
  writeFileSync(file, '{}')
  t.throws(() => readRun(file), { message: new RegExp(`^${file}: no record`) })
  t.throws(() => readRun(`${file}.not`), { code: 'ENOENT' })
})
