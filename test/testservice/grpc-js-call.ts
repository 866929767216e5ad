/** Binds the test service's methods to grpc-js's four kinds of handler. */
import type {
  Metadata as GrpcMetadata,
  handleUnaryCall,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedHandleCall,
} from '@grpc/grpc-js'
import { type AnyHandler, type Call, CallError, type Metadata } from '../../src/demo/call.ts'
import { cancelled } from '../../src/demo/pace.ts'
import type { MethodType } from '../../src/demo/proto.ts'
import { Status } from '../../src/grpc/status.ts'
import { fromGrpc, toGrpc } from './grpc-metadata.ts'

type AnyServerCall =
  | ServerUnaryCall<object, object>
  | ServerReadableStream<object, object>
  | ServerWritableStream<object, object>
  | ServerDuplexStream<object, object>

/** Server streaming and bidirectional calls write and end in the same way. */
type WritableCall = ServerWritableStream<object, object>

type Failure = Error & {
  code: number
  details: string
  metadata: GrpcMetadata
}

/** How one kind of grpc-js call sends messages and ends. */
interface Output {
  write(reply: object): Promise<void>
  /** A failure's metadata are its trailers. */
  end(trailers: GrpcMetadata, failure?: Failure): void
}

export function bind(method: MethodType, handler: AnyHandler): UntypedHandleCall {
  if (method.replyStream) {
    return (call: ServerDuplexStream<object, object>) =>
      void run(call, method, handler, streamOutput(call as unknown as WritableCall))
  }
  const unary: handleUnaryCall<object, object> = (call, callback) =>
    void run(call, method, handler, callbackOutput(callback))
  return unary
}

async function run(call: AnyServerCall, method: MethodType, handler: AnyHandler, output: Output): Promise<void> {
  const abort = new AbortController()
  // All kinds emit it; a union of their `on` cannot be called.
  ;(call as WritableCall).on('cancelled', () => abort.abort())
  const trailers: (readonly [string, string | Buffer])[] = []
  const view: Call<never, object> = {
    metadata: fromGrpc(call.metadata),
    requests: requestsOf(call, method, abort.signal),
    deadline: deadlineOf(call),
    signal: abort.signal,
    sendHeaders: (metadata: Metadata) => call.sendMetadata(toGrpc(metadata)),
    async write(reply) {
      if (abort.signal.aborted) throw cancelled()
      await output.write(reply)
    },
    addTrailers: metadata => trailers.push(...metadata),
  }
  try {
    await handler(view)
    output.end(toGrpc(trailers))
  } catch (error) {
    const failure = failureOf(error, trailers)
    output.end(failure.metadata, failure)
  }
}

async function* requestsOf(call: AnyServerCall, method: MethodType, signal: AbortSignal): AsyncGenerator<never> {
  if (!method.requestStream) {
    yield (call as ServerUnaryCall<object, object>).request as never
    return
  }
  // Leaving a stream's own iterator destroys the stream, and with it the status still to be sent.
  const messages = (call as ServerDuplexStream<object, object>).iterator({
    destroyOnReturn: false,
  })
  try {
    for await (const message of messages) yield message as never
  } catch (error) {
    throw signal.aborted ? cancelled() : error
  }
  if (signal.aborted) throw cancelled()
}

function deadlineOf(call: AnyServerCall): number | undefined {
  const deadline = call.getDeadline()
  const ms = typeof deadline === 'number' ? deadline : deadline.getTime()
  return Number.isFinite(ms) ? ms : undefined
}

/** One reply at the most, kept until the end, when grpc-js wants reply and trailers together. */
function callbackOutput(callback: sendUnaryData<object>): Output {
  let reply: object | null = null
  return {
    async write(message) {
      reply = message
    },
    end(trailers, failure) {
      callback(failure ?? null, reply, trailers)
    },
  }
}

function streamOutput(call: WritableCall): Output {
  return {
    async write(message) {
      if (call.write(message)) return
      await new Promise<void>(resolve => {
        const settle = (): void => {
          call.off('drain', settle)
          call.off('close', settle)
          resolve()
        }
        call.on('drain', settle)
        call.on('close', settle)
      })
      if (call.cancelled) throw cancelled()
    },
    end(trailers, failure) {
      if (failure === undefined) call.end(trailers)
      else call.emit('error', failure)
    },
  }
}

function failureOf(error: unknown, trailers: Metadata): Failure {
  const failure = error instanceof CallError ? error : new CallError(Status.UNKNOWN, String(error))
  const details: Metadata = failure.details.length > 0 ? [['grpc-status-details-bin', failure.details]] : []
  const metadata = toGrpc([...trailers, ...details])
  return Object.assign(new Error(failure.message), {
    code: failure.code,
    details: failure.message,
    metadata,
  })
}
