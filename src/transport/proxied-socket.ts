/** Connections that a load balancer forwards: whose word is taken, and the header that says whose they are. */
import type { Socket } from 'node:net'
import { NO_BYTES } from '../wire/no-bytes.ts'
import type { Clock } from './clock.ts'
import { Networks } from './networks.ts'
import { setRemote } from './peer.ts'
import { parseProxyHeader } from './proxy-protocol.ts'

export interface ProxyProtocolRules {
  /** Networks of the senders whose word is taken; `unix`: whoever may open the unix socket. */
  readonly from: readonly string[]
}

/** Who may say whose a connection is. */
export class Forwarders {
  readonly #networks: Networks
  readonly #unix: boolean

  constructor({ from }: ProxyProtocolRules) {
    this.#unix = from.includes(UNIX)
    this.#networks = new Networks(from.filter(network => network !== UNIX))
  }

  /** A TCP connection that was reset has no remote address either. */
  has({ remoteAddress, localAddress }: Socket): boolean {
    if (remoteAddress === undefined) return this.#unix && localAddress === undefined
    return this.#networks.has(remoteAddress)
  }
}

export const UNIX = 'unix'

export interface HeaderReading {
  readonly socket: Socket
  readonly clock: Clock
  /** The header has to be whole by then. */
  readonly timeoutMs: number
  /** The connection is what it says from here on; what came behind the header is there to be read. */
  readonly onRead: () => void
  readonly onWrong: (detail: string) => void
}

/** Reads the header of a connection, and nothing behind it. One that ends before it has begun is told to nobody. */
export function readProxyHeader({ socket, clock, timeoutMs, onRead, onWrong }: HeaderReading): void {
  let head: Buffer = NO_BYTES
  const stop = () => {
    timer.cancel()
    socket.removeListener('readable', onReadable)
    socket.removeListener('end', onEnd)
    socket.removeListener('close', stop)
  }
  const fail = (detail: string) => {
    stop()
    onWrong(detail)
  }
  const timer = clock.after(timeoutMs, () => fail('no whole PROXY header came in time'))
  const onReadable = () => {
    const bytes = socket.read() as Buffer | null
    if (bytes === null) return
    head = head.length === 0 ? bytes : Buffer.concat([head, bytes])
    const parsed = parseProxyHeader(head)
    if (parsed.kind === 'more') return
    if (parsed.kind === 'wrong') return fail(parsed.detail)
    stop()
    if (parsed.bytes < head.length) socket.unshift(head.subarray(parsed.bytes))
    const { told } = parsed
    if (told.kind === 'client') setRemote(socket, told)
    if (told.kind === 'unix') setRemote(socket, { host: undefined, port: 0 })
    onRead()
  }
  const onEnd = () => {
    if (head.length > 0) return fail('the connection ended within its PROXY header')
    stop()
    socket.destroy()
  }
  socket.on('readable', onReadable)
  socket.on('end', onEnd)
  socket.on('close', stop)
}
