/**
 * A generic pass-through on @grpc/grpc-js: every method is a bidirectional stream of Buffers; metadata, messages,
 * trailers, status, deadline and cancellation go on through a Client.
 */
import { readFileSync } from 'node:fs'
import {
  type ChannelOptions,
  Client,
  credentials,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status as Status,
  type StatusObject,
} from '@grpc/grpc-js'
import { readAssignment } from './assignment.ts'

const { port, backends, tls } = readAssignment()

const SHARED: ChannelOptions = {
  // Its default limit is 4 MiB for received messages. A proxy should not limit their size.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // Node's default window of 64 KiB slows bulk.
  'grpc-node.flow_control_window': 1_048_576,
  // Node's default of 10 MB ends a session under bulk load.
  'grpc-node.max_session_memory': 1000,
  // Bookkeeping that nobody reads here.
  'grpc.enable_channelz': 0,
}

const client = new Client(
  `ipv4:${backends.map(backend => `127.0.0.1:${backend}`).join(',')}`,
  tls === undefined ? credentials.createInsecure() : credentials.createSsl(readFileSync(tls.ca)),
  {
    ...SHARED,
    // Calls in turn; the default, pick_first, uses one endpoint only.
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    ...(tls === undefined ? {} : { 'grpc.ssl_target_name_override': 'localhost' }),
  },
)

type Call = ServerDuplexStream<Buffer, Buffer>

const asItIs = (message: Buffer): Buffer => message

function forward(call: Call): void {
  const up = client.makeBidiStreamRequest<Buffer, Buffer>(call.getPath(), asItIs, asItIs, call.metadata, {
    deadline: call.getDeadline(),
  })
  let status: StatusObject | undefined
  let readAll = false
  const finish = (): void => {
    if (status === undefined) return
    if (status.code !== Status.OK) call.emit('error', status)
    else if (readAll) call.end(status.metadata)
  }
  call.on('data', (message: Buffer) => {
    if (!up.write(message)) call.pause()
  })
  call.on('end', () => up.end())
  up.on('drain', () => call.resume())
  call.on('cancelled', () => up.cancel())
  up.on('metadata', (metadata: Metadata) => call.sendMetadata(metadata))
  up.on('data', (message: Buffer) => {
    if (!call.write(message)) up.pause()
  })
  call.on('drain', () => up.resume())
  up.on('end', () => {
    readAll = true
    finish()
  })
  up.on('status', (ended: StatusObject) => {
    status = ended
    finish()
  })
  // The same error comes as a status too.
  up.on('error', () => {})
}

/** grpc-js has no public handler for methods that nobody registered: so its table of methods answers with this. */
class AnyMethod extends Map<string, unknown> {
  override get(path: string): unknown {
    return { func: forward, serialize: asItIs, deserialize: asItIs, type: 'bidi', path }
  }
}

const server = new Server(SHARED)
;(server as unknown as { handlers: Map<string, unknown> }).handlers = new AnyMethod()
const serverCredentials =
  tls === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(null, [{ cert_chain: readFileSync(tls.cert), private_key: readFileSync(tls.key) }])
server.bindAsync(`127.0.0.1:${port}`, serverCredentials, error => {
  if (error !== null) throw error
})
