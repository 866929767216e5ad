/** All kinds of calls by @connectrpc/connect-web, in Node and in a page. */
import type { DescMethodServerStreaming, DescMethodUnary } from '@bufbuild/protobuf'
import { ConnectError, type Transport } from '@connectrpc/connect'
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web'
import { type AnyMessage, DETAILS, latin1, make, methodOf, type Report, serviceOf } from './messages.ts'

type Result = { header: Headers; trailer: Headers }

export type Protocol = 'grpc-web' | 'connect'

class Calls {
  readonly #transport: Transport
  readonly #service

  constructor(baseUrl: string, descriptors: Uint8Array, protocol: Protocol) {
    const create = protocol === 'connect' ? createConnectTransport : createGrpcWebTransport
    this.#transport = create({ baseUrl, useBinaryFormat: true })
    this.#service = serviceOf(descriptors, 'verbatim.testservice.v1.TestService')
  }

  async unary(
    name: string,
    fields: object,
    headers: Record<string, string> = {},
    timeoutMs?: number,
  ): Promise<Result & { message: AnyMessage }> {
    const method = methodOf(this.#service, name) as DescMethodUnary
    return this.#transport.unary(method, undefined, timeoutMs, headers, fields as never)
  }

  async *stream(
    fields: object,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
    result: Partial<Result>,
  ): AsyncGenerator<AnyMessage> {
    const method = methodOf(this.#service, 'PingList') as DescMethodServerStreaming
    const one = make(method.input, fields)
    const response = await this.#transport.stream(
      method,
      signal,
      undefined,
      headers,
      (async function* () {
        yield one as never
      })(),
    )
    result.header = response.header
    yield* response.message as AsyncIterable<AnyMessage>
    result.trailer = response.trailer
  }
}

async function failed(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call
  } catch (error) {
    return ConnectError.from(error)
  }
  throw new Error('the call did not fail')
}

export async function connectReport(
  baseUrl: string,
  descriptors: Uint8Array,
  id: string,
  protocol: Protocol = 'grpc-web',
): Promise<Report> {
  const calls = new Calls(baseUrl, descriptors, protocol)
  const echo = { 'x-echo-trailer': 'at the end' }
  const unary = await calls.unary('Ping', { value: 'hällo' }, echo)
  const error = await failed(
    calls.unary('PingError', { error: { code: 5, message: 'nö such: 100%', details: DETAILS } }, echo),
  )
  const [detail] = error.details as { value: Uint8Array }[]

  const result: Partial<Result> = {}
  const counters: number[] = []
  for await (const reply of calls.stream({ count: 5 }, {}, undefined, result)) counters.push(reply.counter)
  const before: number[] = []
  const broken = await failed(
    (async () => {
      const fields = { count: 2, error: { code: 9, message: 'no more' } }
      for await (const reply of calls.stream(fields, {}, undefined, {})) before.push(reply.counter)
    })(),
  )

  const leave = new AbortController()
  let seen = 0
  await failed(
    (async () => {
      for await (const _ of calls.stream({ count: 1_000, delayMs: 10 }, { 'x-call-id': id }, leave.signal, {})) {
        if (++seen === 2) leave.abort()
      }
    })(),
  )
  const ended = await calls.unary('AwaitCall', { callId: id })
  const late = await failed(calls.unary('Ping', { delayMs: 60_000 }, {}, 50))
  const large = await calls.unary('Ping', { payload: new Uint8Array(300_000), payloadSize: 2_000_000 })
  return {
    unary: {
      value: unary.message.value,
      server: unary.header.get('x-test-server'),
      trailer: unary.trailer.get('x-echo-trailer'),
    },
    error: {
      code: error.code,
      message: error.rawMessage,
      details: detail === undefined ? null : latin1(detail.value),
      trailer: error.metadata.get('x-echo-trailer'),
    },
    stream: {
      counters,
      trailer: result.trailer?.get('x-test-count') ?? null,
      server: result.header?.get('x-test-server') ?? null,
    },
    brokenStream: { counters: before, code: broken.code, message: broken.rawMessage },
    cancelled: ended.message.end,
    deadline: late.code,
    large: { sent: large.message.receivedBytes, got: large.message.payload.length },
  }
}

/** A call whose stream is read to its second reply only, until `go` resolves. @returns how many replies came in all */
export async function readSlowly(
  baseUrl: string,
  descriptors: Uint8Array,
  fields: object,
  go: () => Promise<void>,
  protocol: Protocol = 'grpc-web',
): Promise<number> {
  const calls = new Calls(baseUrl, descriptors, protocol)
  let count = 0
  for await (const reply of calls.stream(fields, {}, undefined, {})) {
    if (reply.counter !== count++) throw new Error(`reply ${reply.counter} after ${count - 1}`)
    if (count === 2) await go()
  }
  return count
}
