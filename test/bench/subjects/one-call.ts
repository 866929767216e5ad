/** One call to a port, and all that a proxy between must have left alone. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2, { type ClientHttp2Session } from 'node:http2'
import { grpcMessage, SMALL_BYTES, type TlsFiles } from '../../../bench/subjects/world.ts'

export interface Answer {
  readonly httpStatus: number | undefined
  readonly contentType: string | undefined
  readonly body: Buffer
  /** Of trailers, or of a response that is nothing else. */
  readonly grpcStatus: string | undefined
  /** Decoded: who parses it may encode it another way. */
  readonly grpcMessage: string
}

const CALL_MS = 20_000

export async function connect(port: number, tls?: TlsFiles): Promise<ClientHttp2Session> {
  const session =
    tls === undefined
      ? http2.connect(`http://127.0.0.1:${port}`)
      : http2.connect(`https://127.0.0.1:${port}`, { ca: readFileSync(tls.ca), servername: 'localhost' })
  await once(session, 'connect')
  session.on('error', () => {})
  return session
}

/** @throws Error when it was reset, or did not end in time */
export async function callOn(session: ClientHttp2Session, path: string): Promise<Answer> {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  const timer = setTimeout(() => stream.destroy(new Error(`no end of the call within ${CALL_MS} ms`)), CALL_MS)
  const chunks: Buffer[] = []
  let head: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {}
  let trailers: http2.IncomingHttpHeaders = {}
  stream.on('response', headers => {
    head = headers
  })
  stream.on('trailers', headers => {
    trailers = headers
  })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.end(grpcMessage(SMALL_BYTES))
  try {
    await once(stream, 'close')
  } finally {
    clearTimeout(timer)
  }
  const last = { ...head, ...trailers }
  return {
    httpStatus: head[':status'],
    contentType: head['content-type'],
    body: Buffer.concat(chunks),
    grpcStatus: last['grpc-status']?.toString(),
    grpcMessage: decodeURIComponent(last['grpc-message']?.toString() ?? ''),
  }
}

export async function oneCall(port: number, path: string, tls?: TlsFiles): Promise<Answer> {
  const session = await connect(port, tls)
  try {
    return await callOn(session, path)
  } finally {
    session.destroy()
  }
}
