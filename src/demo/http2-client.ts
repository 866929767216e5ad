/** A minimal gRPC client on node:http2: enough for the demo's calls, without a gRPC library. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { Status, type StatusCode } from '../grpc/status.ts'
import { CallError, type Metadata, textOf, valuesOf } from './call.ts'
import { MessageReader, writeMessage } from './message-stream.ts'
import { deferred } from './pace.ts'
import { testMethod } from './proto.ts'
import { decodeMessage, headersOf, metadataOf } from './wire-metadata.ts'

/** One call. Nothing but `replies` tells how it ended. */
export interface ClientCall<Reply> {
  /** Response headers; those of a Trailers-Only answer too. Rejects when the call ends without any. */
  readonly headers: Promise<Metadata>
  /** Ends with OK; throws CallError for any other status, UNAVAILABLE when the connection is lost. */
  readonly replies: AsyncIterable<Reply>
}

export interface TestClient {
  /** Any kind of call of a method of TestService: `requests` are sent as they come, then half-close. */
  call<Reply>(
    method: string,
    requests: Iterable<object> | AsyncIterable<object>,
    metadata?: Metadata,
  ): ClientCall<Reply>
  /** A call with one reply. @throws CallError */
  unary<Reply>(method: string, request: object, metadata?: Metadata): Promise<Reply>
  /** Ends the connection, calls in flight included. */
  close(): void
}

/** @param address `127.0.0.1:8080`; the connection is plaintext HTTP/2 */
export function connectTestClient(address: string): TestClient {
  const session = connect(`http://${address}`)
  session.on('error', () => {})
  const client: TestClient = {
    call: (method, requests, metadata = []) => startCall(session, method, requests, metadata),
    async unary<Reply>(method: string, request: object, metadata: Metadata = []) {
      let reply: Reply | undefined
      for await (const message of client.call<Reply>(method, [request], metadata).replies) reply = message
      if (reply === undefined) throw new CallError(Status.INTERNAL, 'the call ended without a reply')
      return reply
    },
    close: () => session.destroy(),
  }
  return client
}

function startCall<Reply>(
  session: ClientHttp2Session,
  name: string,
  requests: Iterable<object> | AsyncIterable<object>,
  metadata: Metadata,
): ClientCall<Reply> {
  const method = testMethod(name)
  const stream = session.request({
    ':method': 'POST',
    ':path': method.path,
    'content-type': 'application/grpc+proto',
    te: 'trailers',
    ...headersOf(metadata),
  })
  const headers = deferred<Metadata>()
  // A caller who does not ask for the headers learns of a failure from `replies`.
  headers.promise.catch(() => {})
  let trailers: Metadata | undefined
  stream.on('response', (_headers, flags, raw) => {
    const received = metadataOf(raw as unknown as string[])
    headers.resolve(received)
    // END_STREAM on the first block: a Trailers-Only answer.
    if ((flags & 1) !== 0) trailers = received
  })
  stream.on('trailers', (_trailers, _flags, raw) => {
    trailers = metadataOf(raw as unknown as string[])
  })
  stream.on('error', () => {})
  const closed = new Promise<void>(resolve => stream.on('close', () => resolve()))
  void closed.then(() => headers.reject(new CallError(Status.UNAVAILABLE, 'the call ended without headers')))
  const reader = new MessageReader(stream, method.reply)
  void sendAll(stream, requests, request => method.request.encode(request))
  return {
    headers: headers.promise,
    replies: replies(reader, closed, stream, () => trailers),
  }
}

async function* replies<Reply>(
  reader: MessageReader,
  closed: Promise<void>,
  stream: ClientHttp2Stream,
  trailers: () => Metadata | undefined,
): AsyncGenerator<Reply> {
  try {
    yield* reader
  } catch {
    // The trailers or the reset give the better reason.
  }
  await closed
  const end = trailers()
  const status = end === undefined ? undefined : textOf(end, 'grpc-status')
  if (end === undefined || status === undefined) {
    throw new CallError(Status.UNAVAILABLE, `the call ended without a status; HTTP/2 code ${stream.rstCode}`)
  }
  if (status === '0') return
  const details = valuesOf(end, 'grpc-status-details-bin')[0]
  const message = decodeMessage(textOf(end, 'grpc-message') ?? '')
  throw new CallError(Number(status) as StatusCode, message, Buffer.isBuffer(details) ? details : undefined)
}

async function sendAll(
  stream: ClientHttp2Stream,
  requests: Iterable<object> | AsyncIterable<object>,
  encode: (request: object) => Buffer,
): Promise<void> {
  const over = new AbortController()
  stream.on('close', () => over.abort())
  try {
    for await (const request of requests) await writeMessage(stream, encode(request), over.signal)
    stream.end()
  } catch (error) {
    // A call that is over takes no more requests; any other failure is the sender's own.
    if (!over.signal.aborted && !stream.destroyed) stream.destroy(error as Error)
  }
}
