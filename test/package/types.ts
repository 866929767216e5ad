/** The declarations of the package, as the compilers of strangers read them. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import ts from 'typescript'
import type { Stranger } from '../support/stranger.ts'

const TYPED = `
import { createServer } from 'node:http2'
import {
  type BackendOptions, type CallInfo, createProxy, defineBackend, type Director, type Gate, GrpcError, type GrpcProxy, type LimitOptions,
  type OpenCounts, type ProxyOptions, Status, type Target,
} from 'grpc-verbatim'

const director: Director = async (call: CallInfo): Promise<Target | undefined> => {
  if (call.metadata.get('authorization') === undefined) throw new GrpcError('UNAUTHENTICATED', 'who are you?')
  if (call.signal.aborted) throw new GrpcError(Status.CANCELLED, '')
  return call.service === 'pkg.Service' ? { backend: 'main', metadata: { 'x-tenant': ['a'] } } : undefined
}
const main: BackendOptions = { endpoints: ['127.0.0.1:50051'], sessions: { max: 2 } }
const limits: LimitOptions = { floods: { maxPings: { burst: 5 } } }
const options: ProxyOptions = { backends: { main }, director, limits }
const proxy: GrpcProxy = createProxy(options)
declare module 'grpc-verbatim' {
  interface CallNotes {
    quota?: { readonly plan: 'free' | 'paid' }
  }
}
const tenants: Gate = next => call => {
  call.notes.quota = { plan: 'free' }
  // @ts-expect-error no such plan
  call.notes.quota = { plan: 'other' }
  const subject: string | undefined = call.notes.identity?.name
  call.onEnd(() => void subject)
  return next(call)
}
createProxy({ backends: { main }, gates: [tenants], listeners: [{ address: '127.0.0.1:0', require: tenants }] })
const server = createServer()
server.on('stream', proxy.handler)
const { port, address }: { port: number; address: string } = await proxy.listen({ port: 0 })
const counts: OpenCounts = proxy.counts()
await proxy.drain(100)
export { address, counts, port }

// @ts-expect-error no such status
new GrpcError('TEAPOT', '')
// @ts-expect-error no such option
createProxy({ backend: {} })
// @ts-expect-error no such option in a part either
defineBackend({ endpoints: [], session: {} })
// @ts-expect-error a target names a backend
export const wrong: Director = () => ({ authority: 'x' })
`

const COMMON_JS = `
import api = require('grpc-verbatim')
import gates = require('grpc-verbatim/gates')
import wire = require('grpc-verbatim/wire')
const backends = { main: { endpoints: ['127.0.0.1:50051'] } }
const proxy: api.GrpcProxy = api.createProxy({ backends, require: [gates.rateLimit({ perSecond: 1 })] })
export = { proxy, Writer: wire.FrameWriter }
`

const NODE_10 = `
import { createProxy, type GrpcProxy } from 'grpc-verbatim'
import { type Gate, network } from 'grpc-verbatim/gates'
import { type Connection, FrameWriter } from 'grpc-verbatim/wire'
export const proxy: GrpcProxy = createProxy('127.0.0.1:50051')
export const gates: readonly Gate[] = [network({ deny: ['192.0.2.0/24'] }), next => call => next(call)]
export const frames = (connection: Connection) => [connection.streams, FrameWriter]
// @ts-expect-error no such option
createProxy({ backend: {} })
`

/**
 * @param users more files in the project that use the package
 */
export function checkTypes(t: Test, { project, files }: Stranger, users: readonly string[]): void {
  const declarations = files.filter(file => file.endsWith('.d.ts')).map(file => `node_modules/grpc-verbatim/${file}`)
  writeFileSync(path.join(project, 'typed.ts'), TYPED)
  writeFileSync(path.join(project, 'common.cts'), COMMON_JS)
  writeFileSync(path.join(project, 'old.ts'), NODE_10)

  t.same(
    declarations.filter(file => /\bzod\b/.test(readFileSync(path.join(project, file), 'utf8'))),
    [],
    'no type of the validator is in a declaration',
  )
  const strictest = programOf(project, ['typed.ts', 'common.cts', ...users, ...declarations], {
    module: ts.ModuleKind.NodeNext,
    skipLibCheck: false,
    allowImportingTsExtensions: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
  })
  t.equal(faultsOf(strictest), '', 'users and declarations, under the strictest settings')
  const old = programOf(project, ['old.ts'], {
    module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Node10,
    skipLibCheck: true,
  })
  t.equal(faultsOf(old), '', 'moduleResolution: node10')

  const shown = hoversOf(strictest)
  t.ok(shown.size > 90, `${shown.size} options`)
  t.same(
    [...shown].filter(([, text]) => !/\w/.test(text)).map(([option]) => option),
    [],
    'an editor shows a text for each option',
  )
  t.match(shown.get('LimitOptions.replayBytes'), /^How much of a request is kept .*\(bytes\)\.\n`65536`$/)
}

function programOf(project: string, files: readonly string[], settings: ts.CompilerOptions): ts.Program {
  const options: ts.CompilerOptions = {
    noEmit: true,
    strict: true,
    target: ts.ScriptTarget.ES2024,
    types: ['node'],
    ...settings,
  }
  const host = ts.createCompilerHost(options)
  host.getCurrentDirectory = () => project
  const rootNames = files.map(file => path.join(project, file))
  return ts.createProgram({ rootNames, options, host })
}

function faultsOf(program: ts.Program): string {
  return ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), {
    getCurrentDirectory: () => program.getCurrentDirectory(),
    getCanonicalFileName: name => name,
    getNewLine: () => '\n',
  })
}

/** What an editor shows of each option: the text, and the default. By interface and field. */
function hoversOf(program: ts.Program): Map<string, string> {
  const checker = program.getTypeChecker()
  const shown = new Map<string, string>()
  for (const file of program.getSourceFiles()) {
    if (!/\/grpc-verbatim\/dist\/config\/options(\/\w+)?\.d\.ts$/.test(file.fileName)) continue
    for (const declaration of file.statements.filter(ts.isInterfaceDeclaration)) {
      for (const field of checker.getTypeAtLocation(declaration).getProperties()) {
        const text = ts.displayPartsToString(field.getDocumentationComment(checker))
        const tags = field.getJsDocTags(checker).map(tag => ts.displayPartsToString(tag.text))
        shown.set(`${declaration.name.text}.${field.name}`, [text, ...tags].join('\n'))
      }
    }
  }
  return shown
}
