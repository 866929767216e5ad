import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { run } from './run.ts'

const ROOT = join(import.meta.dirname, '../..')
const fixture = (name: string): string => join(ROOT, 'fixtures/config', name)

t.test('check: a good file gets one line and exit 0', async t => {
  const file = fixture('example.yaml')
  const { code, stdout, stderr } = await run(t, 'check', '--config', file)
  t.equal(stdout, `${file} is good: 2 listeners, 3 backends with 5 endpoints, 5 routes\n`)
  t.equal(stderr, '')
  t.equal(code, 0)
})

t.test('check: warnings are told, and the file is good', async t => {
  const file = fixture('unreachable-route.yaml')
  const { code, stdout } = await run(t, 'check', '--config', file)
  t.match(stdout, `${file}:10:5 routes[1]: warning: is never reached: routes[0] takes every call\n`)
  t.match(stdout, `${file} is good`)
  t.equal(code, 0)
})

t.test('check: every error has file, line, column and path, and the exit code is 1', async t => {
  const file = fixture('broken/many.yaml')
  const { code, stdout } = await run(t, 'check', '--config', file)
  const lines = stdout.trimEnd().split('\n')
  t.equal(lines.length, 18)
  for (const line of lines) t.match(line.slice(file.length), /^:\d+:\d+ [\w.[\]-]+: ./, line)
  t.equal(code, 1)
})

t.test('check: files with endpoints are read, and what is wrong with them is told', async t => {
  const config = (name: string) =>
    `listeners: [{ address: "127.0.0.1:0" }]\nbackends:\n  a: { source: { file: ${name} } }\n`
  const folder = t.testdir({
    ...{ 'good.yaml': config('two.yaml'), 'bad.yaml': config('one.json') },
    ...{ 'two.yaml': '- h:1\n- h:2', 'one.json': '["h:1", "h"]' },
  })
  const good = await run(t, 'check', '--config', join(folder, 'good.yaml'))
  t.match(good.stdout, /is good: 1 listener, 1 backend with 2 endpoints/)
  t.equal(good.code, 0)
  const bad = await run(t, 'check', '--config', join(folder, 'bad.yaml'))
  const [file, list] = [join(folder, 'bad.yaml'), join(folder, 'one.json')]
  t.equal(bad.stdout, `${file} backends.a.source.file: ${list}: entry 2: "h" has no port: write host:port\n`)
  t.equal(bad.code, 1)
})

t.test('check: a file that is not there', async t => {
  const { code, stdout } = await run(t, 'check', '--config', '/nowhere.yaml')
  t.equal(stdout, '/nowhere.yaml: cannot be read: no such file\n')
  t.equal(code, 1)
})

t.test('serve: a bad configuration is told on standard error', async t => {
  const { code, stdout, stderr } = await run(t, 'serve', '--config', fixture('broken/no-route.yaml'))
  t.equal(stdout, '')
  t.match(stderr, /no-route\.yaml:1:1 routes: there are 2 backends \(one, two\) and no route/)
  t.equal(code, 1)
})

t.test('wrong usage is a sentence and exit code 2', async t => {
  const cases: [string[], RegExp][] = [
    [[], /Usage: grpc-verbatim/],
    [['srve'], /unknown command 'srve'/],
    [['serve'], /give --config FILE, or both --listen HOST:PORT and --backend URL/],
    [['serve', '--listen', '127.0.0.1:0'], /or both --listen/],
    [['serve', '--config', 'x', '--listen', '127.0.0.1:0'], /--config says it all/],
    [['serve', '--listen', '8080', '--backend', 'h:1'], /needs a host too: write 0\.0\.0\.0:8080/],
    [['serve', '--listen', '127.0.0.1:0', '--backend', 'h'], /has no port: write host:port/],
    [['serve', '--listen', '127.0.0.1:0', '--backend', 'h:1', '--transport', 'x'], /choices are native, frames/],
    [['serve', '--log-level', 'loud'], /Allowed choices are fatal, error/],
    [['check'], /required option .*--config/],
  ]
  await Promise.all(
    cases.map(async ([args, message]) => {
      const { code, stderr } = await run(t, ...args)
      t.match(stderr, message)
      t.notMatch(stderr, /^ {4}at /m, 'no stack')
      t.equal(code, 2, args.join(' '))
    }),
  )
})

t.test('help, version and schema are answers: exit 0', async t => {
  const help = await run(t, 'serve', '--help')
  t.match(help, { code: 0, stdout: /--backend <url>/ })
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  t.match(await run(t, '--version'), { code: 0, stdout: `${version}\n` })
  const schema = await run(t, 'schema')
  t.equal(JSON.parse(schema.stdout).properties.backends.type, 'object')
  t.equal(schema.code, 0)
})
