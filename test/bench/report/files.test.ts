import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { checkWritable, writeRecord, writeReport } from '../../../bench/report/files.ts'
import { smallRun, syntheticRun } from './synthetic-run.ts'

t.test('a record is in its file as it was', async t => {
  const file = path.join(t.testdir(), 'deep/down/run.json')
  const run = syntheticRun()
  t.same(await writeReport(run, { json: file }), [file])
  t.same(JSON.parse(readFileSync(file, 'utf8')), run)
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

t.test('a record takes the place of the one before, whole, and leaves nothing beside it', async t => {
  const folder = t.testdir()
  const file = path.join(folder, 'run.json')
  writeRecord(smallRun({ rounds: 3 }), file)
  const { ino } = statSync(file)
  writeRecord(smallRun({ rounds: 4 }), file)
  t.not(statSync(file).ino, ino, 'who reads the old one reads it to its end')
  t.equal(JSON.parse(readFileSync(file, 'utf8')).rounds, 4)
  t.same(readdirSync(folder), ['run.json'])
  writeRecord(smallRun(), '/dev/null')
  t.notOk(statSync('/dev/null').isFile(), 'a device is written to, and not replaced')
})

t.test('what cannot be written is told before the run', async t => {
  const folder = t.testdir({ file: 'mine' })
  const file = path.join(folder, 'file')
  checkWritable({ json: file, html: path.join(folder, 'new/run.html'), svgFolder: path.join(folder, 'charts') })
  t.equal(readFileSync(file, 'utf8'), 'mine', 'and what is there stays')
  t.same(readdirSync(path.join(folder, 'new')), [])
  checkWritable({})
  t.throws(() => checkWritable({ json: folder }), { code: 'EISDIR' })
  t.throws(() => checkWritable({ svgFolder: file }), { code: 'EEXIST' })
  writeFileSync(file, '')
  t.throws(() => checkWritable({ html: path.join(file, 'run.html') }), { code: 'EEXIST' })
})
