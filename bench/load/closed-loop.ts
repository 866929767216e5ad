/** Closed loop on node:http2: keeps `streams` calls open on each of `connections`, until `calls` have ended. */

import { once } from 'node:events'
import http2, { type ClientHttp2Session } from 'node:http2'

export interface LoadOptions {
  readonly connections: number
  readonly streams: number
  readonly calls: number
  readonly responseBytes: number
  /** Sent as `grpc-timeout` where given. */
  readonly timeout?: string
}

/** A small message: 5 bytes of prefix, 34 of payload. */
const REQUEST = Buffer.concat([Buffer.from([0, 0, 0, 0, 34]), Buffer.alloc(34, 1)])

/** @throws Error with the first call that did not end as it should: what drops calls is not fast */
export async function closedLoop(port: number, options: LoadOptions): Promise<void> {
  const sessions = await Promise.all(Array.from({ length: options.connections }, () => connect(port)))
  let left = options.calls
  const worker = async (session: ClientHttp2Session): Promise<void> => {
    while (left-- > 0) await call(session, options)
  }
  await Promise.all(sessions.flatMap(session => Array.from({ length: options.streams }, () => worker(session))))
  for (const session of sessions) session.close()
}

async function connect(port: number): Promise<ClientHttp2Session> {
  const session = http2.connect(`http://127.0.0.1:${port}`, {
    maxSessionMemory: 1000,
    settings: { initialWindowSize: 4_194_304 },
  })
  await once(session, 'connect')
  session.setLocalWindowSize(16_777_216)
  return session
}

function call(session: ClientHttp2Session, { responseBytes, timeout }: LoadOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/verbatim.bench.Echo/Unary',
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-response-bytes': String(responseBytes),
      ...(timeout === undefined ? {} : { 'grpc-timeout': timeout }),
    })
    let received = 0
    let status: unknown
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    stream.on('trailers', trailers => {
      status = trailers['grpc-status']
    })
    stream.on('error', reject)
    stream.on('close', () => {
      if (status === '0' && received === responseBytes) resolve()
      else
        reject(
          new Error(
            `a call ended with grpc-status ${status}, ${received} of ${responseBytes} bytes, RST ${stream.rstCode}`,
          ),
        )
    })
    stream.end(REQUEST)
  })
}
