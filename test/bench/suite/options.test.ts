import { fileURLToPath } from 'node:url'
import t from 'tap'
import { baseOf, fieldOf } from '../../../bench/suite/field.ts'
import { parseRunOptions } from '../../../bench/suite/options.ts'
import { chooseSources } from '../../../bench/suite/sources.ts'
import { shellText } from '../../../src/bench/argument.ts'
import { UsageError } from '../../../src/bench/problem.ts'
import { fakeContender } from './fakes.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

t.test('each option says what is wrong with it, and what there is', async t => {
  const wrong: readonly (readonly [args: string[], message: RegExp])[] = [
    [['--rouns', '3'], /--rouns/],
    [['m10'], /m10/],
    [['--rounds', '0'], /--rounds is "0": give rounds, a whole number from 1 to 1000/],
    [['--rounds', '2.5'], /--rounds is "2\.5": give rounds, a whole number/],
    [['--seconds', 'long'], /--seconds is "long"/],
    [['--seconds', '3600'], /--seconds is "3600": give seconds, a number from 0\.01 to 60/],
    [['--rate', '-5'], /--rate/],
    [['--load', 'wrk'], /--load wrk: own or h2load/],
    [['--backend', 'apache'], /--backend apache: own or nghttpd/],
    [['--tree', 'before'], /NAME=DIR/],
    [['--tree', 'before=/nowhere'], /no src\/cli.ts in \/nowhere/],
    [['--tree', `before=${ROOT},pigeons`], /no pair "pigeons"; there are frames/],
  ]
  for (const [args, message] of wrong) {
    t.throws(() => parseRunOptions(args), { name: 'UsageError', message }, args.join(' '))
  }
})

t.test('what is given is taken, the rest has its default', async t => {
  const short = parseRunOptions([])
  const full = parseRunOptions(['--full'])
  t.equal(short.rounds, 5)
  t.equal(full.rounds, 5)
  t.ok(full.pace.seconds > short.pace.seconds)
  const given = parseRunOptions(
    `--only m1,tls --subjects direct,frames --rounds 2 --seconds 0.2 --warm-up 0.1 --rate 50 --load own
     --backend own --json a.json --html a.html --svg charts --base frames --fresh --tree old=${ROOT},native`.split(
      /\s+/,
    ),
  )
  t.strictSame(given.only, ['m1', 'tls'])
  t.strictSame(given.subjects, ['direct', 'frames'])
  t.strictSame(given.pace, { seconds: 0.2, warmUpSeconds: 0.1, rate: 50 })
  t.strictSame([short.fresh, given.fresh], [false, true])
  t.strictSame(given.sources, { load: 'own', backend: 'own' })
  t.strictSame([given.rounds, given.json, given.html, given.svgFolder], [2, 'a.json', 'a.html', 'charts'])
  t.match(given.trees, [{ name: 'old', folder: ROOT, pair: { downstream: 'native' } }])
})

t.test('who is missing is named with the line that installs it; who is unknown is an error', async t => {
  const diary = { happened: [] }
  const missing = { missing: 'no envoy', install: 'pip install envoy' }
  const all = [fakeContender('direct', diary), fakeContender('envoy', diary, { find: () => missing })]
  const field = fieldOf(all, [])
  t.strictSame(
    field.taking.map(({ name }) => name),
    ['direct'],
  )
  t.strictSame(field.missing, [{ name: 'envoy', install: 'pip install envoy' }])
  t.strictSame(field.versions, { direct: 'direct 1.0' })
  t.throws(() => fieldOf(all, ['envoi']), { message: 'no subject "envoi"; there are direct, envoy' })
  t.throws(() => fieldOf(all, [], [fakeContender('direct', diary)]), { message: /two subjects/ })
})

t.test('ratios are against nghttpx, or frames, or the first; somebody who is not there is an error', async t => {
  const of = (...names: string[]) => names.map(name => fakeContender(name, { happened: [] }))
  t.equal(baseOf(of('direct', 'frames', 'nghttpx'), undefined), 'nghttpx')
  t.equal(baseOf(of('direct', 'frames'), undefined), 'frames')
  t.equal(baseOf(of('direct', 'haproxy'), undefined), 'direct')
  t.equal(baseOf(of('direct', 'frames'), 'direct'), 'direct')
  t.throws(() => baseOf(of('direct'), 'nghttpx'), UsageError)
})

t.test('h2load and nghttpd where they are, our own where not, and what is forced in any case', async t => {
  t.strictSame(
    chooseSources({}, () => true),
    { load: 'h2load', backend: 'nghttpd' },
  )
  t.strictSame(
    chooseSources({}, () => false),
    { load: 'own', backend: 'own' },
  )
  t.strictSame(
    chooseSources({}, program => program === 'nghttpd'),
    { load: 'own', backend: 'nghttpd' },
  )
  t.strictSame(
    chooseSources({ load: 'own', backend: 'own' }, () => true),
    { load: 'own', backend: 'own' },
  )
  t.throws(() => chooseSources({ load: 'h2load' }, () => false), { message: /h2load is not here: apt-get install/ })
})

t.test('the command can be typed again', async t => {
  t.equal(shellText(['npm', 'run', 'bench', '--', '--only', 'm1,m10']), 'npm run bench -- --only m1,m10')
  t.equal(shellText(['--json', "it's here.json"]), "--json 'it'\\''s here.json'")
})
