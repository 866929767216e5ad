/** A web server for test pages of an origin of their own: it serves modules of packages, and of test/web/page without types. */
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import 'protobufjs/ext/descriptor.js'
import protobuf from 'protobufjs'
import { PROTO_DIR } from '../../src/demo/proto.ts'
import type { Scope } from '../support/teardown.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROTOBUF = '/node_modules/@bufbuild/protobuf/dist/esm'
const CONNECT = '/node_modules/@connectrpc'

/** Where modules are that are imported by name. */
const IMPORTS = {
  '@bufbuild/protobuf': `${PROTOBUF}/index.js`,
  '@bufbuild/protobuf/codegenv2': `${PROTOBUF}/codegenv2/index.js`,
  '@bufbuild/protobuf/reflect': `${PROTOBUF}/reflect/index.js`,
  '@bufbuild/protobuf/wire': `${PROTOBUF}/wire/index.js`,
  '@bufbuild/protobuf/wkt': `${PROTOBUF}/wkt/index.js`,
  '@connectrpc/connect': `${CONNECT}/connect/dist/esm/index.js`,
  '@connectrpc/connect/protocol': `${CONNECT}/connect/dist/esm/protocol/index.js`,
  '@connectrpc/connect/protocol-connect': `${CONNECT}/connect/dist/esm/protocol-connect/index.js`,
  '@connectrpc/connect/protocol-grpc': `${CONNECT}/connect/dist/esm/protocol-grpc/index.js`,
  '@connectrpc/connect/protocol-grpc-web': `${CONNECT}/connect/dist/esm/protocol-grpc-web/index.js`,
  '@connectrpc/connect-web': `${CONNECT}/connect-web/dist/esm/index.js`,
  'grpc-web': '/node_modules/grpc-web/index.esm.js',
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>test</title>
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
<script type="module">
import { connectReport, readSlowly } from '/test/web/page/connect.ts'
import { grpcWebReport } from '/test/web/page/grpc-web.ts'
Object.assign(globalThis, { connectReport, grpcWebReport, readSlowly, loaded: true })
</script>`

/** @returns the origin */
export async function servePages(t: Scope): Promise<string> {
  const server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://x').pathname
    if (path === '/') return void response.setHeader('content-type', 'text/html').end(PAGE)
    const file = join(ROOT, path)
    if (!/^\/(node_modules|test\/web\/page)\//.test(path) || !existsSync(file))
      return void response.writeHead(404).end()
    const text = readFileSync(file, 'utf8')
    response.setHeader('content-type', 'text/javascript').end(path.endsWith('.ts') ? stripTypeScriptTypes(text) : text)
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Described {
  readonly file: readonly {
    readonly messageType: readonly { readonly name: string; readonly field: { name: string; typeName?: string }[] }[]
    readonly service: readonly {
      readonly name: string
      readonly method: { name: string; inputType: string; outputType: string }[]
    }[]
    readonly package: string
  }[]
}

/** The test service, as other libraries take it: a FileDescriptorSet, with whole names where protobufjs has short ones. */
export function descriptors(): Uint8Array {
  const { root } = protobuf.parse(readFileSync(`${PROTO_DIR}/testservice.proto`, 'utf8'), { keepCase: true })
  root.resolveAll()
  const set = (root as unknown as { toDescriptor(edition: string): protobuf.Message & Described }).toDescriptor(
    'proto3',
  )
  for (const { messageType, service, package: name } of set.file) {
    for (const message of messageType) {
      const { fields } = root.lookupType(`${name}.${message.name}`)
      for (const field of message.field) {
        const { resolvedType } = fields[field.name]!
        if (resolvedType) field.typeName = resolvedType.fullName
      }
    }
    for (const { method, name: serviceName } of service) {
      const { methods } = root.lookupService(`${name}.${serviceName}`)
      for (const one of method) {
        one.inputType = methods[one.name]!.resolvedRequestType!.fullName
        one.outputType = methods[one.name]!.resolvedResponseType!.fullName
      }
    }
  }
  return set.$type.encode(set).finish()
}
