import { Writable } from 'node:stream'
import t from 'tap'
import { durationText, Progress } from '../../../bench/report/progress.ts'

/** A terminal that keeps what it is told until it is asked. */
function terminal(isTTY: boolean) {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
    },
  })
  const bar = Object.assign(stream, { isTTY, columns: 120 }) as unknown as NodeJS.WriteStream
  const shown = (): string => {
    const all = text
    text = ''
    return all
  }
  return { bar, shown }
}

t.test('at a terminal: a bar, what is measured now, and what is left', async t => {
  const { bar, shown } = terminal(true)
  let out = ''
  let now = 0
  const progress = new Progress({ bar, nowMs: () => now, out: { write: text => (out += text) } })
  progress.begin(4)
  progress.step('m1: frames, warming up')
  t.match(shown(), / {2}0 % {2}– left {2}/)
  now = 30_000
  progress.step('m1: frames, round 1')
  progress.print('a table')
  t.equal(out, 'a table\n')
  t.match(shown(), /█{6}░{18} {2}25 % {2}1 min 30 s left {2}m1: frames, round 1/, 'the bar is there again')
  now = 60_000
  for (const text of ['b', 'c', 'one too many', 'and another']) progress.step(text)
  progress.print('')
  t.match(shown(), /100 % {2}0 s left {2}and another/)
  progress.end()
  shown()
  progress.print('after')
  t.equal(shown(), '', 'no bar after the end')
  progress.begin(2)
  t.match(shown(), / {2}0 % /, 'a second time')
  progress.end()
})

t.test('where nobody looks: only what is printed', async t => {
  const { bar, shown } = terminal(false)
  let out = ''
  const progress = new Progress({ bar, out: { write: text => (out += text) } })
  progress.begin(2)
  progress.step('one')
  progress.print('a table')
  progress.end()
  t.equal(shown(), '')
  t.equal(out, 'a table\n')
})

t.test('durations', async t => {
  t.same([0, 45.4, 59.6, 60, 3599, 3600, 3900].map(durationText), [
    '0 s',
    '45 s',
    '1 min 0 s',
    '1 min 0 s',
    '59 min 59 s',
    '1 h 0 min',
    '1 h 5 min',
  ])
})
