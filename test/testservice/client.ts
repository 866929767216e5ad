/** A grpc-js client of the test service that gives everything a call brought, without throwing. */
import { randomUUID } from 'node:crypto'
import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  type Metadata as GrpcMetadata,
  credentials as grpcCredentials,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js'
import { type Metadata, valuesOf } from '../../src/demo/call.ts'
import { HEALTH_SERVICE, METHODS, type MethodType, TEST_SERVICE } from '../../src/demo/proto.ts'
import { type AnyMethod, methodOf } from './descriptors.ts'
import { fromGrpc, toGrpc } from './grpc-metadata.ts'

export interface CallSettings {
  readonly metadata?: Metadata
  /** From now. */
  readonly timeoutMs?: number
}

/** How a call ended. */
export interface End {
  readonly code: number
  /** `grpc-message`, decoded. */
  readonly message: string
  readonly trailers: Metadata
}

/** A call with one reply, over. */
export interface Answer<Reply> extends End {
  /** Undefined when the call failed. */
  readonly reply: Reply | undefined
  /** Empty for a Trailers-Only answer. */
  readonly headers: Metadata
}

/** A call that streams, one way or both, or that a test wants to cancel. */
export interface OpenCall<Reply> {
  /** Response headers; empty when the call ended without any. */
  readonly headers: Promise<Metadata>
  readonly end: Promise<End>
  /** Resolves when the request was written, or the call is over. */
  send(request: object): Promise<void>
  halfClose(): void
  /** The next reply; undefined after the last. Reads no further than needed. */
  next(): Promise<Reply | undefined>
  /** All replies that are still to come. */
  rest(): Promise<Reply[]>
  cancel(): void
}

export class TestServiceClient {
  readonly #client: Client

  constructor(
    address: string,
    credentials: ChannelCredentials = grpcCredentials.createInsecure(),
    options: ChannelOptions = {},
  ) {
    this.#client = new Client(address, credentials, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // A connection of its own, whatever other clients of the process have.
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    })
  }

  /** A unary call. */
  unary<Reply>(name: string, request: object, settings: CallSettings = {}): Promise<Answer<Reply>> {
    return this.#unary(methodOf(lookUp(name)), request, settings)
  }

  /** A unary call of a method that the .proto file does not have, with Ping's messages. */
  unaryAt(path: string, request: object, settings: CallSettings = {}): Promise<Answer<object>> {
    return this.#unary({ ...methodOf(lookUp('Ping')), path }, request, settings)
  }

  #unary<Reply>(method: AnyMethod, request: object, settings: CallSettings): Promise<Answer<Reply>> {
    const { path, requestSerialize, responseDeserialize } = method
    return new Promise(resolve => {
      let reply: Reply | undefined
      let headers: Metadata = []
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        toGrpc(settings.metadata ?? []),
        optionsOf(settings),
        (_error: ServiceError | null, value?: object) => {
          reply = value as Reply | undefined
        },
      )
      call.on('metadata', (metadata: GrpcMetadata) => {
        headers = fromGrpc(metadata)
      })
      // grpc-js calls back before it emits 'status'.
      call.on('status', (status: StatusObject) => resolve({ ...endOf(status), reply, headers }))
    })
  }

  /** A call of any kind as a stream. For a method that takes one request, send one and half-close. */
  open<Reply>(name: string, settings: CallSettings = {}): OpenCall<Reply> {
    const { path, requestSerialize, responseDeserialize } = methodOf(lookUp(name))
    const metadata = toGrpc(settings.metadata ?? [])
    const call = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      optionsOf(settings),
    )
    return openCall(call)
  }

  /** A server-streaming call, or a call with one reply that is to be cancelled. */
  list<Reply>(name: string, request: object, settings: CallSettings = {}): OpenCall<Reply> {
    const { path, requestSerialize, responseDeserialize } = methodOf(lookUp(name))
    const metadata = toGrpc(settings.metadata ?? [])
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      optionsOf(settings),
    )
    return openCall(call as ClientDuplexStream<object, object>)
  }

  /** A client-streaming call: sends `requests`, heeding back-pressure, and half-closes. */
  sum<Reply>(name: string, requests: Iterable<object>, settings: CallSettings = {}): Promise<Answer<Reply>> {
    const { path, requestSerialize, responseDeserialize } = methodOf(lookUp(name))
    return new Promise((resolve, reject) => {
      let reply: Reply | undefined
      let headers: Metadata = []
      const call = this.#client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        toGrpc(settings.metadata ?? []),
        optionsOf(settings),
        (_error: ServiceError | null, value?: object) => {
          reply = value as Reply | undefined
        },
      )
      call.on('metadata', (metadata: GrpcMetadata) => {
        headers = fromGrpc(metadata)
      })
      call.on('status', (status: StatusObject) => resolve({ ...endOf(status), reply, headers }))
      sendAll(call, requests).catch(reject)
    })
  }

  close(): void {
    this.#client.close()
  }
}

/** An id for `x-call-id`, that no other call has. */
export function callId(): string {
  return randomUUID()
}

/** All values of a name as one text: servers and proxies may join a text field's values by `, ` or `,`. */
export function joined(metadata: Metadata, name: string): string {
  return valuesOf(metadata, name)
    .flatMap(value => value.toString().split(/, ?/))
    .join(', ')
}

/** All values of a `-bin` name, in hexadecimal. */
export function hexValues(metadata: Metadata, name: string): string[] {
  return valuesOf(metadata, name).map(value => Buffer.from(value as Buffer).toString('hex'))
}

function lookUp(name: string): MethodType {
  const method = METHODS.get(`/${TEST_SERVICE}/${name}`) ?? METHODS.get(`/${HEALTH_SERVICE}/${name}`)
  if (method === undefined) throw new RangeError(`no method ${name}`)
  return method
}

function optionsOf(settings: CallSettings): CallOptions {
  return settings.timeoutMs === undefined ? {} : { deadline: Date.now() + settings.timeoutMs }
}

function endOf(status: StatusObject): End {
  return {
    code: status.code,
    message: status.details,
    trailers: fromGrpc(status.metadata),
  }
}

function openCall<Reply>(call: ClientDuplexStream<object, object>): OpenCall<Reply> {
  const readable: ClientReadableStream<object> = call
  const end = new Promise<End>(resolve => readable.on('status', status => resolve(endOf(status))))
  const headers = new Promise<Metadata>(resolve => {
    readable.on('metadata', metadata => resolve(fromGrpc(metadata)))
    void end.then(() => resolve([]))
  })
  // Told by `end`.
  call.on('error', () => {})
  const replies = readable[Symbol.asyncIterator]()
  const next = async (): Promise<Reply | undefined> => {
    try {
      const { done, value } = await replies.next()
      return done ? undefined : (value as Reply)
    } catch {
      return undefined
    }
  }
  return {
    headers,
    end,
    send: request => new Promise(resolve => call.write(request, () => resolve())),
    halfClose: () => call.end(),
    next,
    async rest() {
      const rest: Reply[] = []
      for (let reply = await next(); reply !== undefined; reply = await next()) rest.push(reply)
      return rest
    },
    cancel: () => call.cancel(),
  }
}

async function sendAll(call: ClientWritableStream<object>, requests: Iterable<object>): Promise<void> {
  for (const request of requests) {
    await new Promise<void>(resolve => {
      call.write(request, () => resolve())
    })
  }
  call.end()
}
