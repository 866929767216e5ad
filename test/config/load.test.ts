import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig, parseConfig } from '../../src/config/load.ts'
import { ConfigError, type Problem } from '../../src/config/problems.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures/config')
const fixture = (name: string): string => join(FIXTURES, name)

function problemsOf(load: () => unknown): readonly Problem[] {
  try {
    load()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

/** `line:column path: message` of what is wrong with a text. */
function faults(...lines: string[]): string[] {
  return problemsOf(() => parseConfig(lines.join('\n'), 'p.yaml')).map(
    ({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`,
  )
}

const LISTEN = 'listeners: [{ address: 127.0.0.1:0 }]'
const BACKENDS = 'backends: { a: { endpoints: [h:1] } }'

t.test('the example is right, and says what it claims', async t => {
  const { config, warnings } = loadConfig(fixture('example.yaml'))
  t.strictSame(warnings, [])
  t.equal(config.listeners[1]?.path, fixture('proxy.sock'), 'relative paths start from the folder of the file')
  t.strictSame(Object.keys(config.backends), ['greeter', 'greeter-canary', 'billing'])
  t.match(config.routes[1], { match: { authority: ['api.example.com', '*.eu.example.com'] } })
  const { config: defaults } = parseConfig(`${LISTEN}\n${BACKENDS}`, 'p.yaml')
  for (const section of ['log', 'headers', 'drain', 'limits'] as const) {
    t.strictSame(config[section], defaults[section], `the defaults that the example names: ${section}`)
  }
  const { endpoints: _, name: __, ...greeter } = config.backends.greeter!
  t.match(defaults.backends.a, greeter)
})

t.test('all that is wrong is told at once, each with its line', async t => {
  const file = fixture('broken/many.yaml')
  const wanted = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((text, i) => (text.split('# <- ')[1] ?? '').split(', ').map(path => `${i + 1} ${path}`))
    .filter(line => !line.endsWith(' '))
  const problems = problemsOf(() => loadConfig(file))
  t.strictSame(problems.map(({ line, path }) => `${line} ${path}`).sort(), wanted.sort())
  t.ok(problems.every(problem => problem.file === file && problem.column !== undefined && problem.message !== ''))
  t.strictSame(
    problems.map(problem => problem.line),
    problems.map(problem => problem.line).toSorted((a, b) => a! - b!),
    'in the order of the file',
  )
})

t.test('the message of the error is what an operator reads', async t => {
  const error = new ConfigError(problemsOf(() => loadConfig(fixture('broken/many.yaml'))))
  const lines = error.message.split('\n')
  t.equal(lines.length, error.problems.length)
  t.ok(
    lines.includes(
      `${fixture('broken/many.yaml')}:22:14 routes[0].backend: there is no backend "greter", did you mean "greeter"?`,
    ),
  )
})

t.test('syntax errors have a line and a hint', async t => {
  const [first, ...rest] = problemsOf(() => loadConfig(fixture('broken/syntax.yaml')))
  t.match(first, { line: 2, path: '', message: /needs quotes: "\[::\]:8080"/ })
  t.ok(
    rest.some(problem => problem.line! >= 4),
    'and the next one is told too',
  )
  t.match(faults('a: "b'), [/^1:6 : Missing closing "quote/])
  t.match(faults(LISTEN, 'backends: *nowhere'), [/nowhere/])
  t.match(faults(LISTEN, 'backends: !include x.yaml'), [/^2:11 : Unresolved tag: !include/])
})

t.test('columns point at the key or the value that is wrong', async t => {
  t.strictSame(faults(LISTEN, 'backends:', '  a:', '    endpoints: [h:1]', '    queue: { maxcalls: 1 }'), [
    '5:14 backends.a.queue.maxcalls: unknown key, did you mean "maxCalls"?',
  ])
  t.strictSame(faults(LISTEN, BACKENDS, 'drain: { graceMs: -1 }'), ['3:19 drain.graceMs: must be at least 0, it is -1'])
  t.strictSame(faults(LISTEN, BACKENDS, 'log:'), ['3:1 log: is empty: a map is needed here'])
  t.strictSame(faults(LISTEN, BACKENDS, 'routes:', '  - backend: a', '  - {}'), [
    '5:5 routes[1]: says nothing about where its calls go: give it backend, backends or deny',
  ])
  t.strictSame(faults(LISTEN, 'backends:', '  a: { balancer: round-robin }'), [
    '3:3 backends.a.endpoints: is missing: a list or a source is needed here',
  ])
})

t.test('keys that are there twice', async t => {
  t.strictSame(faults(LISTEN, BACKENDS, 'log: {}', 'log: {}'), ['4:1 log: the key is there twice'])
  t.strictSame(faults(LISTEN, BACKENDS, 'log: { level: info, level: warn }'), [
    '3:21 log.level: the key is there twice',
  ])
})

t.test('problems behind an alias are shown where the value is written', async t => {
  const text = [
    LISTEN,
    'backends:',
    '  a: &a',
    '    endpoints: [h]',
    '  b: *a',
    'routes: [{ backend: a }, { backend: b }]',
  ]
  t.strictSame(faults(...text), [
    '4:17 backends.a.endpoints[0]: "h" has no port: write host:port',
    '4:17 backends.b.endpoints[0]: "h" has no port: write host:port',
  ])
})

t.test('a file without listeners or backends', async t => {
  const problems = problemsOf(() => loadConfig(fixture('broken/empty.yaml')))
  t.strictSame(
    problems.map(({ path, message }) => `${path}: ${message}`),
    ['listeners: there is no listener: give at least one address', 'backends: there is no backend: give at least one'],
  )
  t.match(faults('- a'), [/expected a map, found a list/])
})

t.test('a file that is not there, or not a file', async t => {
  t.match(
    problemsOf(() => loadConfig('/nowhere/proxy.yaml')),
    [{ file: '/nowhere/proxy.yaml', message: 'cannot be read: no such file' }],
  )
  t.match(
    problemsOf(() => loadConfig(FIXTURES)),
    [{ message: 'cannot be read: it is a directory' }],
  )
})

t.test('warnings have their lines too', async t => {
  const { warnings } = loadConfig(fixture('unreachable-route.yaml'))
  t.match(warnings, [
    { line: 7, path: 'backends.three', message: 'no route leads to this backend' },
    { line: 10, path: 'routes[1]', message: 'is never reached: routes[0] takes every call' },
  ])
})

t.test('an alias bomb is refused', async t => {
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x,x]']
  for (let i = 0; i < 8; i++) {
    const [name, before] = [String.fromCharCode(98 + i), String.fromCharCode(97 + i)]
    bomb.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(',')}]`)
  }
  t.match(faults(...bomb), [/alias/i])
})
