/** A configuration in several files, and values that come from elsewhere. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigError, createProxy } from '../../src/index.ts'

const MAIN = `include: [routes/*.yaml, more.yaml]
listeners: [{ address: 127.0.0.1:0 }]
backends: { main: { endpoints: [h:1] } }
routes:
  - { match: { service: first.Service }, backend: main }
`

function folderWith(
  t: Test,
  main: string,
  routes: Record<string, string>,
  more = 'backends: { last: { endpoints: [h:9] } }\n',
) {
  return t.testdir({ 'proxy.yaml': main, 'more.yaml': more, routes })
}

/** `file:line path: message`, with file names only. */
function faultsOf(folder: string): string[] {
  try {
    loadConfig(join(folder, 'proxy.yaml'))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(
      ({ file, line, path, message }) => `${file?.replace(`${folder}/`, '')}:${line} ${path}: ${message}`,
    )
  }
  return []
}

t.test('lists are joined in the order of the names, and backends are one map', async t => {
  const folder = folderWith(t, MAIN, {
    'b.yaml': 'routes: [{ backend: main }]\n',
    'a.yaml': 'backends: { a: { endpoints: [h:2] } }\nroutes: [{ match: { service: a.A }, backend: a }]\n',
    '.hidden.yaml': 'nonsense',
    'readme.md': 'nonsense: [',
  })
  const files = new Set<string>()
  const { config } = loadConfig(join(folder, 'proxy.yaml'), files)
  t.same(Object.keys(config.backends), ['main', 'a', 'last'])
  t.same(
    config.routes.map(({ match }) => match?.service),
    ['first.Service', 'a.A', undefined],
  )
  t.same(
    [...files].map(file => file.replace(folder, '')),
    ['/proxy.yaml', '/routes', '/routes/a.yaml', '/routes/b.yaml', '', '/more.yaml'],
    'what is to be watched, the folders of patterns too',
  )
})

t.test('each mistake is told in its own file', async t => {
  const folder = folderWith(t, `${MAIN}  - { backend: none }\n`, {
    'a.yaml': '\nroutes:\n  - { backend: main }\n  - { bakend: main }\nlog: { level: debug }\n',
    'b.yaml': 'backends:\n  main: { endpoints: [h:3] }\n  b: { endpoints: [nonsense] }\n',
    'c.yaml': 'routes: [\n',
  })
  const faults = faultsOf(folder)
  for (const wanted of [
    /^proxy\.yaml:6 routes\[1\]\.backend: /,
    /^routes\/a\.yaml:4 routes\[3\]\.bakend: unknown key, did you mean "backend"\?/,
    /^routes\/a\.yaml:5 log: belongs into the main file/,
    /^routes\/b\.yaml:2 backends\.main: another file has a backend of this name$/,
    /^routes\/b\.yaml:3 backends\.b\.endpoints\[0\]: /,
    /^routes\/c\.yaml:\d : /,
  ]) {
    t.ok(
      faults.some(fault => wanted.test(fault)),
      `${wanted} in ${faults.join('\n')}`,
    )
  }
})

t.test('what cannot be included', async t => {
  const wrong = (include: string) => faultsOf(folderWith(t, MAIN.replace('[routes/*.yaml, more.yaml]', include), {}))
  t.match(wrong('[none.yaml]'), [/^none\.yaml:undefined : cannot be read: no such file$/])
  t.match(wrong('[none/*.yaml]'), [/^proxy\.yaml:1 include\[0\]: cannot be read: no such file$/])
  t.match(wrong('more.yaml'), [/^proxy\.yaml:1 include: is a list of files$/])
  t.match(wrong('[7]'), [/^proxy\.yaml:1 include\[0\]: is the path of a file$/])
  t.same(wrong('[routes/*.yaml]'), [], 'a folder may be empty')
  t.throws(() => createProxy({ include: ['a.yaml'] }), /include: is for files/)
})

t.test('values from the environment and from files', async t => {
  const text = `listeners: [{ address: "127.0.0.1:\${TEST_PORT:-0}" }]
backends:
  main:
    endpoints: ["\${TEST_HOST}:1"]
    queue:
      maxCalls: \${TEST_CALLS:-7}
log:
  access: \${TEST_ACCESS:-false}
routes: [{ backend: main, addMetadata: { authorization: "Bearer \${file:secret}", literal: "$\${x}", text: "\${TEST_CALLS:-7}" } }]
`
  const folder = t.testdir({ 'proxy.yaml': text, secret: 'hush\n' })
  const file = join(folder, 'proxy.yaml')
  process.env.TEST_HOST = 'backend.example.com'
  t.teardown(() => {
    for (const name of ['TEST_HOST', 'TEST_CALLS']) delete process.env[name]
  })
  const files = new Set<string>()
  const { config } = loadConfig(file, files)
  t.equal(config.backends.main!.endpoints[0]!.name, 'http://backend.example.com:1')
  t.equal(config.backends.main!.queue.maxCalls, 7)
  t.equal(config.log.access, false)
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what is written as $${x}.
  t.same(config.routes[0]!.addMetadata, { authorization: 'Bearer hush', literal: '${x}', text: '7' })
  t.ok(files.has(join(folder, 'secret')), 'watched too')
  process.env.TEST_CALLS = '[9]'
  t.match(faultsOf(folder), [/^proxy\.yaml:6 backends\.main\.queue\.maxCalls: /], 'a text, whatever it looks like')
})

t.test('values that are missing are told with their line, all at once', async t => {
  const folder = t.testdir({
    'proxy.yaml': `listeners: [{ address: 127.0.0.1:0 }]
backends:
  main: { endpoints: ["\${TEST_NOT_THERE}:1"] }
  other: { endpoints: ["\${file:none}"] }
  third: { endpoints: ["\${1}:1"] }
routes: [{ backend: main }]
`,
  })
  const faults = faultsOf(folder)
  for (const wanted of [
    /^proxy\.yaml:3 : \$\{TEST_NOT_THERE\}: the environment has no TEST_NOT_THERE: set it, or write \$\{TEST_NOT_THERE:-default\}$/,
    /^proxy\.yaml:4 : \$\{file:none\}: cannot read .*none: no such file$/,
    /^proxy\.yaml:5 : \$\{1\}: is no name: /,
  ]) {
    t.ok(
      faults.some(fault => wanted.test(fault)),
      `${wanted} in ${faults.join('\n')}`,
    )
  }
})

t.test('a reference without quotes within braces is no YAML, and the message says what to do', async t => {
  const folder = t.testdir({ 'proxy.yaml': `log: { access: \${TEST_ACCESS} }\n` })
  t.match(faultsOf(folder)[0], /needs quotes\)$/)
})
