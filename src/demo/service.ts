/**
 * What the methods of fixtures/proto/testservice.proto do, once, for every server that carries
 * them. The .proto file says what to expect of each method.
 */
import { crc32 } from 'node:zlib'
import { Status, type StatusCode, statusName } from '../grpc/status.ts'
import { type AnyHandler, type Call, CallError, type Handler, type Metadata, textOf, valuesOf } from './call.ts'
import { CallLog } from './call-log.ts'
import { Health } from './health.ts'
import type {
  AwaitCallReply,
  AwaitCallRequest,
  ErrorSpec,
  PingErrorRequest,
  PingListRequest,
  PingReply,
  PingRequest,
  PingSumReply,
} from './messages.ts'
import { firstRequest, orAborted, pause } from './pace.ts'
import { HEALTH_SERVICE, TEST_SERVICE } from './proto.ts'

/** A client cannot make the server allocate more than this for one message. */
const MAX_PAYLOAD_BYTES = 16 * 2 ** 20
/** Byte i of a payload. The period does not divide a power of two, so that a block in the wrong place shows. */
const PATTERN_PERIOD = 251

export interface TestServiceOptions {
  /** Goes out in `x-test-server` and in replies. */
  readonly name: string
  /** Servers that are endpoints of one backend share it. Default: a new one. */
  readonly calls?: CallLog
}

export interface TestService {
  readonly name: string
  /** By path. */
  readonly handlers: ReadonlyMap<string, AnyHandler>
  readonly health: Health
  readonly calls: CallLog
}

/** Makes one server's worth of TestService and Health. */
export function createTestService(options: TestServiceOptions): TestService {
  const { name, calls = new CallLog() } = options
  const health = new Health([TEST_SERVICE])
  const methods: Record<string, AnyHandler> = {
    PingEmpty: pingEmpty,
    Ping: ping(name),
    PingError: pingError(name),
    PingList: pingList(name),
    PingStream: pingStream(name),
    PingSum: pingSum(name),
    AwaitCall: awaitCall(calls),
  }
  const handlers = new Map<string, AnyHandler>()
  for (const [method, handler] of Object.entries(methods)) {
    handlers.set(`/${TEST_SERVICE}/${method}`, common(name, calls, handler))
  }
  handlers.set(`/${HEALTH_SERVICE}/Check`, health.check)
  handlers.set(`/${HEALTH_SERVICE}/Watch`, health.watch)
  return { name, handlers, health, calls }
}

/** The bytes that a server or client of this service sends as a payload: byte i is i mod 251. */
export function payloadOf(size: number): Buffer {
  if (size > MAX_PAYLOAD_BYTES) {
    throw new CallError(Status.INVALID_ARGUMENT, `a payload has at most ${MAX_PAYLOAD_BYTES} bytes`)
  }
  const bytes = Buffer.allocUnsafe(size)
  for (let i = 0; i < size; i++) bytes[i] = i % PATTERN_PERIOD
  return bytes
}

/** What every method does besides its own work: the `x-` headers, and the record of its end. */
function common(name: string, calls: CallLog, handler: AnyHandler): AnyHandler {
  return async call => {
    const counts = { requests: 0, replies: 0 }
    call.addTrailers(echoed(call.metadata, ['x-echo-trailer', 'x-echo-trailer-bin']))
    try {
      await handler(counted(call, name, counts))
    } finally {
      const id = textOf(call.metadata, 'x-call-id')
      const end = call.signal.aborted ? 'CANCELLED' : 'FINISHED'
      if (id !== undefined) calls.end(id, { end, ...counts, server: name })
    }
  }
}

/** The call, with its messages counted and the common headers put before a method's own. */
function counted(
  call: Call<never, object>,
  name: string,
  counts: { requests: number; replies: number },
): Call<never, object> {
  const headers: Metadata = [['x-test-server', name], ...echoed(call.metadata, ['x-echo', 'x-echo-bin'])]
  let headersSent = false
  const sendHeaders = (own: Metadata): void => {
    headersSent = true
    call.sendHeaders([...headers, ...own])
  }
  return {
    metadata: call.metadata,
    deadline: call.deadline,
    signal: call.signal,
    addTrailers: trailers => call.addTrailers(trailers),
    sendHeaders,
    async write(reply) {
      if (!headersSent) sendHeaders([])
      counts.replies += 1
      await call.write(reply)
    },
    requests: (async function* () {
      for await (const request of call.requests) {
        counts.requests += 1
        yield request
      }
    })(),
  }
}

const pingEmpty: Handler<object, object> = async call => {
  await firstRequest(call)
  await call.write({})
}

function ping(server: string): Handler<PingRequest, PingReply> {
  return async call => {
    const request = await firstRequest(call)
    call.addTrailers(echoed(call.metadata, request.echo_trailers))
    await pause(request.delay_ms, call.signal)
    failIfAsked(request.error)
    call.sendHeaders(echoed(call.metadata, request.echo_headers))
    await call.write(replyTo(request, server, 0, call.deadline))
  }
}

function pingError(server: string): Handler<PingErrorRequest, Partial<PingReply>> {
  return async call => {
    const request = await firstRequest(call)
    if (request.headers_first) call.sendHeaders([])
    await pause(request.delay_ms, call.signal)
    failIfAsked(request.error)
    await call.write({ server })
  }
}

function pingList(server: string): Handler<PingListRequest, Partial<PingReply>> {
  return async call => {
    const request = await firstRequest(call)
    call.sendHeaders([])
    const payload = payloadOf(request.payload_size)
    for (let counter = 0; counter < request.count; counter++) {
      await pause(request.delay_ms, call.signal)
      await call.write({ value: request.value, counter, server, payload })
    }
    call.addTrailers([['x-test-count', String(request.count)]])
    failIfAsked(request.error)
  }
}

function pingStream(server: string): Handler<PingRequest, PingReply> {
  return async call => {
    call.sendHeaders([])
    let counter = 0
    for await (const request of call.requests) {
      await pause(request.delay_ms, call.signal)
      if (isError(request.error)) call.addTrailers([['x-test-count', String(counter)]])
      failIfAsked(request.error)
      await call.write(replyTo(request, server, counter, call.deadline))
      counter += 1
    }
    call.addTrailers([['x-test-count', String(counter)]])
  }
}

function pingSum(server: string): Handler<PingRequest, PingSumReply> {
  return async call => {
    const sum: PingSumReply = { count: 0, bytes: 0, crc32: 0, server }
    for await (const request of call.requests) {
      await pause(request.delay_ms, call.signal)
      failIfAsked(request.error)
      sum.count += 1
      sum.bytes += request.payload.length
      sum.crc32 = crc32(request.payload, sum.crc32)
    }
    await call.write(sum)
  }
}

function awaitCall(calls: CallLog): Handler<AwaitCallRequest, AwaitCallReply> {
  return async call => {
    const request = await firstRequest(call)
    await call.write(await orAborted(calls.over(request.call_id), call.signal))
  }
}

function replyTo(request: PingRequest, server: string, counter: number, deadline: number | undefined): PingReply {
  return {
    value: request.value,
    counter,
    server,
    payload: payloadOf(request.payload_size),
    received_bytes: request.payload.length,
    received_crc32: crc32(request.payload),
    // 0 says "no deadline", so one that is just passing counts as 1.
    deadline_ms: deadline === undefined ? 0 : Math.max(1, Math.round(deadline - Date.now())),
  }
}

function echoed(metadata: Metadata, names: readonly string[]): Metadata {
  return names.flatMap(name => valuesOf(metadata, name).map(value => [name.toLowerCase(), value] as const))
}

function isError(error: ErrorSpec | null): error is ErrorSpec {
  return error !== null && error.code !== Status.OK
}

function failIfAsked(error: ErrorSpec | null): void {
  if (!isError(error)) return
  if (error.code > Status.UNAUTHENTICATED) {
    throw new CallError(Status.INVALID_ARGUMENT, `no such status: ${statusName(error.code)}`)
  }
  throw new CallError(error.code as StatusCode, error.message, error.details)
}
