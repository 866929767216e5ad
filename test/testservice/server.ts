/**
 * The test service on grpc-js. In a test: `startGrpcServer`. By itself, until Ctrl-C:
 *
 *     node test/testservice/server.ts [--port 50051] [--host 127.0.0.1] [--name NAME]
 */
import { type Duplex, duplexPair } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { METHODS } from '../../src/demo/proto.ts'
import { createTestService, type TestService, type TestServiceOptions } from '../../src/demo/service.ts'
import { healthDefinition, testServiceDefinition } from './descriptors.ts'
import { bind } from './grpc-js-call.ts'

export interface GrpcServer {
  readonly service: TestService
  readonly port: number
  /** `127.0.0.1:41234`. */
  readonly address: string
  /** A connection to this server inside the process; fits a backend's `connect`. Plaintext. */
  connect(): Duplex
  /** Ends every connection at once, calls in flight included, and stops listening. */
  close(): Promise<void>
}

export interface GrpcServerOptions extends TestServiceOptions {
  /** 127.0.0.1 by default. */
  readonly host?: string
  /** 0 by default: a free one. */
  readonly port?: number
  /** Plaintext by default. */
  readonly credentials?: ServerCredentials
}

/** @throws Error when the port cannot be bound */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const { host = '127.0.0.1', port = 0, credentials = ServerCredentials.createInsecure() } = options
  const service = createTestService(options)
  const server = new Server({
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  })
  for (const definition of [testServiceDefinition, healthDefinition]) {
    const implementation = Object.values(definition).map(({ path, originalName }) => {
      const method = METHODS.get(path)!
      return [originalName ?? method.name, bind(method, service.handlers.get(path)!)] as const
    })
    server.addService(definition, Object.fromEntries(implementation))
  }
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, credentials, (error, number) => (error ? reject(error) : resolve(number)))
  })
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  return {
    service,
    port: bound,
    address: `${host}:${bound}`,
    connect() {
      const [ours, theirs] = duplexPair()
      injector.injectConnection(ours)
      return theirs
    },
    async close() {
      injector.destroy()
      server.forceShutdown()
    },
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '50051' },
      name: { type: 'string', default: 'grpc-js' },
    },
  })
  const server = await startGrpcServer({
    name: values.name,
    host: values.host,
    port: Number(values.port),
  })
  console.log(`${values.name} serves verbatim.testservice.v1.TestService on ${server.address}`)
}

// `import.meta.main` is newer than the oldest Node supported.
if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
