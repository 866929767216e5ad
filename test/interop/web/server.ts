/**
 * A server as connectconformance wants it, on standard input and output: grpc-go's conformance server with the proxy before
 * it, which takes gRPC-Web. `node server.ts <grpcserver> <downstream>-<upstream>`
 */
import { spawn } from 'node:child_process'
import protobuf from 'protobufjs'
import { createProxy, type TransportOption } from '../../../src/index.ts'

const { root } = protobuf.parse(
  `
syntax = "proto3";
message Creds { bytes cert = 1; bytes key = 2; }
message Request { uint32 protocol = 1; uint32 http_version = 2; bool use_tls = 4; uint32 limit = 6; Creds creds = 7; }
message Response { string host = 1; uint32 port = 2; bytes pem_cert = 3; }
`,
  { keepCase: true },
)
const Request = root.lookupType('Request')
const Response = root.lookupType('Response')
const PROTOCOL_GRPC = 2
const HTTP_VERSION_2 = 2

interface Asked {
  readonly use_tls: boolean
  readonly limit: number
  readonly creds: { readonly cert: Buffer; readonly key: Buffer } | null
}

/** The first message, behind its length. */
async function read(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk])
    if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE())
      return bytes.subarray(4, 4 + bytes.readUInt32BE())
  }
  throw new Error('the stream ended before its message')
}

function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(message.length)
  return Buffer.concat([length, message])
}

const [, , program = '', pair = 'frames-frames'] = process.argv
const [downstream, upstream] = pair.split('-') as [TransportOption, TransportOption]
const asked = Request.decode(await read(process.stdin)) as unknown as Asked

const backend = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] })
process.on('exit', () => backend.kill('SIGKILL'))
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0))
backend.stdin.write(
  framed(Request.encode({ protocol: PROTOCOL_GRPC, http_version: HTTP_VERSION_2, limit: asked.limit }).finish()),
)
const { port } = Response.decode(await read(backend.stdout)) as unknown as { port: number }

const pem = asked.creds && { cert: Buffer.from(asked.creds.cert), key: Buffer.from(asked.creds.key) }
const proxy = createProxy({
  log: { level: 'silent' },
  listeners: [{ address: '127.0.0.1:0', transport: downstream, web: true, ...(asked.use_tls && { tls: pem! }) }],
  backends: { main: { endpoints: [`127.0.0.1:${port}`], transport: upstream } },
})
const [bound] = await proxy.start()
process.stdout.write(
  framed(
    Response.encode({ host: '127.0.0.1', port: bound!.port, pem_cert: asked.use_tls ? pem!.cert : undefined }).finish(),
  ),
)
