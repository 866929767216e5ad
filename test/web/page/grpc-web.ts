/** All kinds of calls by grpc-web, which needs a browser. */
import { GrpcWebClientBase, MethodDescriptor, MethodType, type RpcError, type Status } from 'grpc-web'
import { type AnyMessage, DETAILS, decode, encode, latin1, make, methodOf, type Report, serviceOf } from './messages.ts'

const SERVICE = 'verbatim.testservice.v1.TestService'
type Metadata = Record<string, string>

export async function grpcWebReport(
  baseUrl: string,
  descriptors: Uint8Array,
  format: 'text' | 'binary',
  id: string,
): Promise<Report> {
  const service = serviceOf(descriptors, SERVICE)
  const client = new GrpcWebClientBase({ format })
  const described = (name: string, fields: object) => {
    const { input, output } = methodOf(service, name)
    const type = name === 'PingList' ? MethodType.SERVER_STREAMING : MethodType.UNARY
    const descriptor = new MethodDescriptor<AnyMessage, AnyMessage>(
      ...([`/${SERVICE}/${name}`, type, Object as never, Object as never] as const),
      (message: AnyMessage) => encode(input, message),
      (bytes: Uint8Array) => decode(output, bytes),
    )
    return { url: `${baseUrl}/${SERVICE}/${name}`, message: make(input, fields), descriptor }
  }
  const unary = (name: string, fields: object, metadata: Metadata = {}) =>
    new Promise<{ reply?: AnyMessage; error?: RpcError; header: Metadata; trailer: Metadata }>(resolve => {
      const { url, message, descriptor } = described(name, fields)
      let header: Metadata = {}
      let trailer: Metadata = {}
      // It comes last.
      const call = client.rpcCall(url, message, metadata, descriptor, (error: RpcError, reply: AnyMessage) => {
        resolve(error ? { error, header, trailer: error.metadata } : { reply, header, trailer })
      })
      call.on('metadata', one => {
        header = one
      })
      call.on('status', (status: Status) => {
        trailer = status.metadata ?? {}
      })
    })
  const stream = (fields: object, metadata: Metadata, onReply: (reply: AnyMessage, cancel: () => void) => void) =>
    new Promise<{ status: Status | undefined; header: Metadata }>(resolve => {
      const { url, message, descriptor } = described('PingList', fields)
      let [header, status]: [Metadata | undefined, Status | undefined] = [undefined, undefined]
      // Either may be the last.
      const settle = () => {
        if (header !== undefined && status !== undefined) resolve({ status, header })
      }
      const call = client.serverStreaming(url, message, metadata, descriptor)
      const cancel = () => {
        call.cancel()
        resolve({ status: undefined, header: {} })
      }
      call.on('metadata', one => {
        header = one
        settle()
      })
      call.on('data', reply => onReply(reply as AnyMessage, cancel))
      call.on('status', one => {
        status = one
        settle()
      })
      call.on('error', () => {
        // The status says the same.
      })
    })

  const streamed = async () => {
    const counters: number[] = []
    const whole = await stream({ count: 5 }, {}, ({ counter }) => counters.push(counter))
    const before: number[] = []
    const broken = await stream({ count: 2, error: { code: 9, message: 'no more' } }, {}, ({ counter }) =>
      before.push(counter),
    )
    let seen = 0
    await stream({ count: 1_000, delayMs: 10 }, { 'x-call-id': id }, (_, cancel) => {
      if (++seen === 2) cancel()
    })
    const ended = await unary('AwaitCall', { callId: id })
    return {
      stream: {
        counters,
        trailer: whole.status?.metadata?.['x-test-count'] ?? null,
        server: whole.header['x-test-server'] ?? null,
      },
      brokenStream: { counters: before, code: broken.status?.code ?? 0, message: broken.status?.details ?? '' },
      cancelled: ended.reply?.end as number,
    }
  }

  const echo = { 'x-echo-trailer': 'at the end' }
  const one = await unary('Ping', { value: 'hällo' }, echo)
  const wrong = await unary('PingError', { error: { code: 5, message: 'nö such: 100%', details: DETAILS } }, echo)
  const details = wrong.error?.metadata['grpc-status-details-bin']
  // In binary it has none.
  const streams = format === 'text' ? await streamed() : { stream: null, brokenStream: null, cancelled: null }
  const late = await unary('Ping', { delayMs: 60_000 }, { deadline: String(Date.now() + 50) })
  const large = await unary('Ping', { payload: new Uint8Array(300_000), payloadSize: 2_000_000 })
  return {
    unary: {
      value: one.reply?.value,
      server: one.header['x-test-server'] ?? null,
      trailer: one.trailer['x-echo-trailer'] ?? null,
    },
    error: {
      code: wrong.error?.code ?? 0,
      message: wrong.error?.message ?? '',
      details: details === undefined ? null : latin1(Uint8Array.from(atob(details), c => c.charCodeAt(0)).slice(-3)),
      trailer: wrong.trailer['x-echo-trailer'] ?? null,
    },
    ...streams,
    deadline: late.error?.code ?? 0,
    large: { sent: large.reply?.receivedBytes, got: large.reply?.payload.length },
  }
}
