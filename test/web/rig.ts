/** A proxy whose listener takes gRPC-Web, and a raw backend. */
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'
import { createProxy, type GrpcProxy, type ProxyOptions, type WebOptions } from '../../src/index.ts'
import { arrived as arrivedOf, type Call, message, type Pairing } from '../contract/rig.ts'
import type { Certificates } from '../support/certs.ts'
import type { Field } from '../support/hpack.ts'
import { RawServer } from '../support/raw-server.ts'
import { until } from '../support/until.ts'

export interface WebRig {
  readonly backend: RawServer
  readonly proxy: GrpcProxy
  readonly port: number
}

export const PAGE = 'https://app.test'

export interface WebRigOptions extends Omit<ProxyOptions, 'listeners' | 'backends' | 'tls'> {
  readonly web?: boolean | WebOptions
  readonly tls?: Certificates
}

export async function webRig(t: Test, { downstream, upstream }: Pairing, options: WebRigOptions = {}): Promise<WebRig> {
  const { web = { origins: [PAGE] }, tls, ...rest } = options
  const backend = await RawServer.listen(t)
  const proxy = createProxy({
    log: { level: 'silent' },
    ...rest,
    listeners: [
      {
        address: '127.0.0.1:0',
        transport: downstream,
        web,
        ...(tls && { tls: { cert: tls.server.cert, key: tls.server.key } }),
      },
    ],
    backends: { main: { endpoints: [backend.url], transport: upstream } },
  })
  t.teardown(() => proxy.close())
  const [bound] = await proxy.start()
  return { backend, proxy, port: bound!.port }
}

export const PATH = '/pkg.Service/Method'

/** What a page's request has over HTTP/2, and `extra` instead or besides. */
export function webFields(extra: Readonly<Record<string, string>> = {}): Field[] {
  return Object.entries({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': PATH,
    ':authority': 'api.test',
    'content-type': 'application/grpc-web+proto',
    'x-grpc-web': '1',
    origin: PAGE,
    ...extra,
  })
}

/** The frame of trailers, as text of one character a byte. */
export function frameOf(trailers: string): string {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(trailers.length)
  return `\x80${length.toString('latin1')}${trailers}`
}

/** A client of HTTP/1.1 that writes what it is told to, byte by byte. */
export class Http1Client {
  readonly socket: Socket
  received = ''
  closed = false

  constructor(t: Test, socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
    })
    t.teardown(() => socket.destroy())
  }

  static to(t: Test, port: number): Http1Client {
    return new Http1Client(t, connect(port, '127.0.0.1'))
  }

  write(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'))
  }

  /** What has come, once it contains this. */
  async gets(text: string | RegExp): Promise<string> {
    const has = () => (typeof text === 'string' ? this.received.includes(text) : text.test(this.received))
    await until(String(text), has, () => JSON.stringify(this.received))
    return this.received
  }

  async ended(): Promise<string> {
    await until(
      'the end',
      () => this.closed,
      () => JSON.stringify(this.received),
    )
    return this.received
  }
}

/** The head of a call over HTTP/1.1. */
export function http1Head(extra: Readonly<Record<string, string>> = {}): string {
  const fields = {
    host: 'api.test',
    'content-type': 'application/grpc-web+proto',
    'x-grpc-web': '1',
    origin: PAGE,
    ...extra,
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${PATH} HTTP/1.1\r\n${lines.join('')}\r\n`
}

export const FRAMES: Pairing = { name: 'frames', downstream: 'frames', upstream: 'frames' }
export const NATIVE: Pairing = { name: 'native', downstream: 'native', upstream: 'native' }

export const asked = message('ask').toString('latin1')
export const told = message('hello').toString('latin1')
export const ENDING = frameOf('grpc-status:0\r\n')

/** The call as its backend has it. */
export async function arrived(rig: WebRig): Promise<Pick<Call, 'backend' | 'backendId' | 'headers'>> {
  return arrivedOf(rig as never, 0)
}
