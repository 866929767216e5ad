/** The house of src/: what may import what. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import ts from 'typescript'

const ROOT = path.join(import.meta.dirname, '..')
/** With more a file has two subjects. The frames of HTTP/2 come in long lists of cases. */
const MAX_LINES = 300
const MAX_LINES_OF: Readonly<Record<string, number>> = {
  ...{ wire: 400, transport: 400 },
  // What everything passes through is what everybody reads.
  ...{ 'call/relay.ts': 330, 'proxy/proxy.ts': 260, 'backend/backend.ts': 220 },
}

/** By the first part of a path below src/. */
const FLOORS: Readonly<Record<string, number>> = {
  ...{ wire: 0, grpc: 0 },
  transport: 1,
  ...{ routing: 2, rpc: 2, web: 2 },
  backend: 3,
  ...{ acme: 4, call: 4, discovery: 4, gates: 4 },
  ...{ observe: 5, admin: 5 },
  proxy: 6,
  config: 7,
  ...{ demo: 8, bench: 8 },
  workers: 9,
  ...{ 'cli.ts': 10, cli: 10, 'index.ts': 10 },
}

/** The way in: the program and the library's door are one floor and one room. */
const ROOF = new Set(['cli.ts', 'cli', 'index.ts'])
const CHOOSES = 'proxy/carriers.ts'

/** What of Node floor 0 may use: it does no I/O and reads no clock. */
const PURE_MODULES = new Set(['node:assert', 'node:buffer', 'node:util'])
const IMPURE_GLOBALS =
  /^(setTimeout|setInterval|setImmediate|queueMicrotask|performance|Date|process|console|fetch|WebSocket)$/

interface Import {
  readonly file: string
  readonly line: number
  /** As written. */
  readonly name: string
  /** The file below src/, where it is one. */
  readonly target: string | undefined
}

/** Paths below src/ with `/`, and their text. */
type Files = ReadonlyMap<string, string>

/** Type imports too, and `import()` of both kinds: a type ties two files together as well. */
function importsOf(file: string, text: string): Import[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName, pos }) => ({
    file,
    line: text.slice(0, pos).split('\n').length,
    name: fileName,
    target: fileName.startsWith('.') ? path.posix.join(path.posix.dirname(file), fileName) : undefined,
  }))
}

const top = (file: string) => file.split('/')[0]!
const floorOf = (file: string) => FLOORS[top(file)]
/** `native`, `frames`, or nothing for the files that both share. */
const carrierOf = (file: string) => /^transport\/(native|frames)\//.exec(file)?.[1]

function judge({ file, name, target }: Import, dependencies: ReadonlySet<string>): string | undefined {
  if (/^@grpc\//.test(name)) return 'a gRPC library'
  if (target === undefined) {
    if (floorOf(file) === 0 && !PURE_MODULES.has(name)) return 'floor 0 does no I/O'
    if (name.startsWith('node:')) return undefined
    const bare = name.split('/', name.startsWith('@') ? 2 : 1).join('/')
    return dependencies.has(bare) ? undefined : 'not among the dependencies of package.json'
  }
  const [from, to] = [floorOf(file), floorOf(target)]
  if (to === undefined) return 'not in the house'
  if (to > from!) return `upward, from floor ${from} to floor ${to}`
  if (from === to && !ROOF.has(top(file)) && top(file) !== top(target))
    return `${top(file)} and ${top(target)} are rooms of one floor`
  const carrier = carrierOf(target)
  if (carrier === undefined || carrierOf(file) === carrier) return undefined
  if (carrierOf(file) !== undefined) return 'native and frames do not know each other'
  return file === CHOOSES ? undefined : `only ${CHOOSES} chooses a transport`
}

function importViolations(files: Files, dependencies: ReadonlySet<string>): string[] {
  const found: string[] = []
  for (const [file, text] of files) {
    if (floorOf(file) === undefined) found.push(`${file}:1 is in no floor of the house`)
    for (const one of importsOf(file, text)) {
      const why = judge(one, dependencies)
      if (why !== undefined) found.push(`${file}:${one.line} imports ${one.name}: ${why}`)
      else if (one.target !== undefined && !files.has(one.target))
        found.push(`${file}:${one.line} imports ${one.name}: no such file`)
    }
  }
  return found
}

function impureGlobals(file: string, text: string): string[] {
  const found: string[] = []
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const visit = (node: ts.Node): void => {
    const member =
      ts.isPropertyAccessExpression(node.parent ?? node) && (node.parent as ts.PropertyAccessExpression).name === node
    if (ts.isIdentifier(node) && !member && IMPURE_GLOBALS.test(node.text)) {
      found.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1} uses ${node.text}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** Each cycle once, as the files along it. */
function cycles(files: Files): string[] {
  const found: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  const walk = (file: string, trail: readonly Import[]): void => {
    state.set(file, 'open')
    for (const one of importsOf(file, files.get(file)!)) {
      if (one.target === undefined || !files.has(one.target)) continue
      const along = [...trail, one]
      if (state.get(one.target) === undefined) walk(one.target, along)
      else if (state.get(one.target) === 'open') {
        const loop = along.slice(along.findIndex(step => step.file === one.target))
        found.push(`${loop.map(step => `${step.file}:${step.line}`).join(' → ')} → ${one.target}`)
      }
    }
    state.set(file, 'done')
  }
  for (const file of files.keys()) if (!state.has(file)) walk(file, [])
  return found
}

/** A break after the last line begins no other. */
const lineCount = (text: string) => text.replace(/\n$/, '').split('\n').length

function longFiles(files: Files): string[] {
  return [...files].flatMap(([file, text]) => {
    const lines = lineCount(text)
    const most = MAX_LINES_OF[file] ?? MAX_LINES_OF[top(file)] ?? MAX_LINES
    return lines > most ? [`${file}:${most + 1} of ${lines} lines`] : []
  })
}

const SRC: Files = new Map(
  readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .map(file => file.split(path.sep).join('/'))
    .filter(file => /\.[cm]?[jt]s$/.test(file))
    .sort()
    .map(file => [file, readFileSync(path.join(ROOT, 'src', file), 'utf8')]),
)
const { dependencies, peerDependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
const DEPENDENCIES = new Set(Object.keys({ ...dependencies, ...peerDependencies }))

t.test('the house', async t => {
  t.ok(SRC.size > 30, `${SRC.size} files`)
  t.same(importViolations(SRC, DEPENDENCIES), [], 'imports')
  t.same(cycles(SRC), [], 'no cycles')
  const floor0 = [...SRC].filter(([file]) => floorOf(file) === 0)
  t.same(
    floor0.flatMap(([file, text]) => impureGlobals(file, text)),
    [],
    'floor 0 reads no clock',
  )
  t.same(longFiles(SRC), [], 'no file is too long')
})

/** A house of these files and otherwise empty ones. */
function house(files: Readonly<Record<string, string>>): Files {
  const empty = [
    'wire/a.ts',
    'grpc/a.ts',
    'transport/a.ts',
    'transport/native/a.ts',
    'transport/frames/a.ts',
    'call/a.ts',
  ]
  return new Map([
    ...[...empty, 'routing/a.ts', 'backend/a.ts', 'proxy/proxy.ts', 'config/a.ts', 'demo/a.ts', 'bench/a.ts'].map(
      file => [file, ''] as const,
    ),
    ...Object.entries(files),
  ])
}

t.test('what the check finds', async t => {
  const wrong: [file: string, text: string, why: RegExp][] = [
    ['wire/b.ts', `\nimport { x } from '../grpc/a.ts'`, /^wire\/b\.ts:2 imports .*rooms of one floor/],
    ['wire/b.ts', `import type { X } from '../transport/a.ts'`, /upward, from floor 0 to floor 1/],
    ['wire/b.ts', `import net from 'node:net'`, /does no I\/O/],
    ['grpc/b.ts', `import { setTimeout } from 'timers'`, /does no I\/O/],
    ['grpc/b.ts', `type S = import('node:net').Socket`, /does no I\/O/],
    ['grpc/b.ts', `const fs = await import('node:fs')`, /does no I\/O/],
    ['transport/b.ts', `export * from '../call/a.ts'`, /upward/],
    ['transport/b.ts', `import '../transport/native/a.ts'`, /only proxy\/carriers\.ts/],
    ['transport/native/b.ts', `import '../frames/a.ts'`, /native and frames/],
    ['transport/frames/b.ts', `import '../native/a.ts'`, /native and frames/],
    ['backend/b.ts', `import '../transport/native/a.ts'`, /only proxy\/carriers\.ts/],
    ['call/b.ts', `import '../proxy/proxy.ts'`, /upward/],
    ['routing/b.ts', `import '../backend/a.ts'`, /upward, from floor 2 to floor 3/],
    ['demo/b.ts', `import '../bench/a.ts'`, /rooms of one floor/],
    ['config/b.ts', `import '../transport/frames/a.ts'`, /only proxy\/carriers\.ts/],
    ['config/b.ts', `import { Client } from '@grpc/grpc-js'`, /a gRPC library/],
    ['config/b.ts', `import x from 'left-pad/lib'`, /not among the dependencies/],
    ['config/b.ts', `import '../call/none.ts'`, /no such file/],
    ['config/b.ts', `import '../../test/x.ts'`, /not in the house/],
    ['odds/b.ts', '', /in no floor/],
  ]
  for (const [file, text, why] of wrong) {
    const found = importViolations(house({ [file]: text }), new Set(['pino']))
    t.equal(found.length, 1, `${file}: ${text}`)
    t.match(found[0], why)
  }
})

t.test('what the check allows', async t => {
  const right: [file: string, text: string][] = [
    ['wire/b.ts', `import './a.ts'`],
    ['wire/b.ts', `// import '../proxy/proxy.ts'\nconst x = "import '../proxy/proxy.ts'"`],
    [
      'transport/native/b.ts',
      `import './a.ts'; import '../a.ts'; import '../../wire/a.ts'; import http2 from 'node:http2'`,
    ],
    ['call/b.ts', `import '../backend/a.ts'; import '../transport/a.ts'; import '../grpc/a.ts'`],
    ['proxy/carriers.ts', `import '../transport/native/a.ts'; import '../transport/frames/a.ts'; import 'pino'`],
    ['config/b.ts', `import '../proxy/proxy.ts'; import 'pino/file'`],
  ]
  for (const [file, text] of right) t.same(importViolations(house({ [file]: text }), new Set(['pino'])), [], file)
})

t.test('cycles, long files and clocks are found', async t => {
  const loop = house({
    'call/b.ts': `import './c.ts'`,
    'call/c.ts': `\nimport type { X } from './d.ts'`,
    'call/d.ts': `import './b.ts'; import './a.ts'`,
  })
  t.same(cycles(loop), ['call/b.ts:1 → call/c.ts:2 → call/d.ts:1 → call/b.ts'])
  t.same(cycles(house({ 'call/b.ts': `import './a.ts'`, 'call/c.ts': `import './a.ts'; import './b.ts'` })), [])
  const long = { 'call/b.ts': 300, 'call/c.ts': 301, 'wire/b.ts': 400, 'wire/c.ts': 401, 'call/relay.ts': 331 }
  const files = Object.entries(long).map(([file, lines]) => [file, 'x\n'.repeat(lines)])
  t.same(longFiles(house(Object.fromEntries(files))), [
    'call/c.ts:301 of 301 lines',
    'wire/c.ts:401 of 401 lines',
    'call/relay.ts:331 of 331 lines',
  ])
  t.same(impureGlobals('wire/b.ts', 'x.performance\n// Date\nconst now = Date.now()'), ['wire/b.ts:3 uses Date'])
})
